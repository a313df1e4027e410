//! Invoices are read back by programs that are not ours: poppler and qpdf. Where neither is installed, what a reader of files
//! sees is checked all the same.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]
#![expect(clippy::print_stdout, reason = "a test says which program it did without")]

use std::path::Path;
use std::process::Command;

use documents::{Invoice, InvoiceLine, InvoiceSum};
use domain::{Currency, Money, Timestamp};

fn invoice(currency: Currency, lines: usize) -> Invoice {
    let money = |minor| Money::new(minor, currency);
    let line = |place: usize| InvoiceLine {
        name: format!("Lyra lounge chair with a long name {place}"),
        note: "Oak · CHR-LYRA-OAK".to_owned(),
        pieces: 2,
        unit: money(1_234_567),
        total: money(2_469_134),
    };
    let sum = |label: &str, minor, is_total| InvoiceSum {
        label: label.to_owned(),
        amount: money(minor),
        is_total,
    };
    Invoice {
        number: "VT-100042".to_owned(),
        ordered_at: Timestamp::parse("2026-11-29T10:00:00Z").unwrap(),
        seller: Vec::new(),
        buyer: ["Zażółć Ångström", "Ελένη 7", "10115 Berlin"].map(str::to_owned).to_vec(),
        lines: (1..=lines).map(line).collect(),
        sums: vec![sum("Shipping", 0, false), sum("Total", 2_469_134, true)],
    }
}

/// Runs a program over a file; `None` when this machine does not have it.
fn run(program: &str, arguments: &[&str], file: &Path) -> Option<String> {
    let end: &[&str] = if program == "pdftotext" { &["-"] } else { &[] };
    let output = match Command::new(program).args(arguments).arg(file).args(end).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("left out: {program} is not installed");
            return None;
        }
        Err(error) => panic!("{program}: {error}"),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(text)
}

/// Writes an invoice, has it checked, and returns its words and how many pages it has.
fn read_back(invoice: &Invoice) -> (Option<String>, usize) {
    let bytes = invoice.to_pdf().unwrap();
    assert!(bytes.starts_with(b"%PDF-1.") && bytes.trim_ascii_end().ends_with(b"%%EOF"));
    assert_eq!(bytes, invoice.to_pdf().unwrap(), "the same invoice is the same bytes");
    assert!(bytes.len() < 64 * 1_024, "{} bytes: the font is not cut to what is used", bytes.len());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("invoice.pdf");
    std::fs::write(&file, &bytes).unwrap();
    let _ = run("qpdf", &["--check"], &file);
    let text = run("pdftotext", &["-layout"], &file);
    let pages = text.as_ref().map_or(0, |text| text.matches('\u{c}').count());
    (text, pages)
}

#[test]
fn an_invoice_says_what_was_bought_and_for_how_much_in_every_kind_of_money() {
    for (currency, unit, total) in [
        (Currency::Eur, "12345.67 EUR", "24691.34 EUR"),
        (Currency::Jpy, "1234567 JPY", "2469134 JPY"),
        (Currency::Kwd, "1234.567 KWD", "2469.134 KWD"),
    ] {
        let (text, _) = read_back(&invoice(currency, 1));
        let Some(text) = text else { continue };
        for word in
            ["Invoice", "VT-100042", "2026-11-29", "Lyra lounge chair", "CHR-LYRA-OAK", unit, total]
        {
            assert!(text.contains(word), "{word} is not in:\n{text}");
        }
        for name in ["Zażółć Ångström", "Ελένη 7", "10115 Berlin"] {
            assert!(text.contains(name), "{name} is not in:\n{text}");
        }
    }
}

#[test]
fn a_long_invoice_goes_on_over_pages_and_loses_no_line() {
    let (text, pages) = read_back(&invoice(Currency::Eur, 50));
    let Some(text) = text else { return };
    assert!(pages >= 2, "{pages} pages");
    for place in 1..=50 {
        assert!(text.contains(&format!("with a long name {place}")), "line {place}:\n{text}");
    }
    assert!(
        text.contains(&format!("Page 1 of {pages}"))
            && text.contains(&format!("Page {pages} of {pages}"))
    );
}

#[test]
fn whatever_people_are_called_an_invoice_is_made() {
    let mut strange = invoice(Currency::Eur, 1);
    strange.buyer = vec!["山田 太郎".to_owned(), "a\u{0}\n\u{202e}b".to_owned(), "x".repeat(500)];
    strange.lines[0].name = "م ".repeat(300);
    let (text, _) = read_back(&strange);
    assert!(text.is_none_or(|text| text.contains("?? ??")));
}
