//! Invoices are read back by programs that are not ours: poppler and qpdf. Where neither is installed, what a reader of files
//! sees is checked all the same.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]
#![expect(clippy::print_stdout, reason = "a test says which program it did without")]

use std::path::Path;
use std::process::Command;

use documents::{
    FONT_BYTES_MAX, FONTS_MAX, FontError, Fonts, Invoice, InvoiceLine, InvoiceSum, InvoiceTax,
};
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
        order: None,
        ordered_at: Timestamp::parse("2026-11-29T10:00:00Z").unwrap(),
        issued_at: Timestamp::parse("2026-11-30T10:00:00Z").unwrap(),
        seller: Vec::new(),
        buyer: ["Zażółć Ångström", "Ελένη 7", "10115 Berlin"].map(str::to_owned).to_vec(),
        lines: (1..=lines).map(line).collect(),
        sums: vec![sum("Shipping", 0, false), sum("Total", 2_469_134, true)],
        taxes: vec![InvoiceTax {
            label: "Sales tax 6.875 %".to_owned(),
            net: money(1_000_000),
            tax: money(68_750),
        }],
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
    read_back_in(&Fonts::default(), invoice)
}

fn read_back_in(fonts: &Fonts, invoice: &Invoice) -> (Option<String>, usize) {
    let bytes = invoice.to_pdf(fonts).unwrap();
    assert!(bytes.starts_with(b"%PDF-1.") && bytes.trim_ascii_end().ends_with(b"%%EOF"));
    assert_eq!(bytes, invoice.to_pdf(fonts).unwrap(), "the same invoice is the same bytes");
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
    for (currency, unit, total, tax) in [
        (Currency::Eur, "12345.67 EUR", "24691.34 EUR", "687.50 EUR"),
        (Currency::Jpy, "1234567 JPY", "2469134 JPY", "68750 JPY"),
        (Currency::Kwd, "1234.567 KWD", "2469.134 KWD", "68.750 KWD"),
    ] {
        let (text, _) = read_back(&invoice(currency, 1));
        let Some(text) = text else { continue };
        let days = ["Date of issue 2026-11-30", "Ordered 2026-11-29"];
        let words = ["Invoice", "VT-100042", "Lyra lounge chair", "CHR-LYRA-OAK", unit, total];
        let taxes = ["Sales tax 6.875 %", tax];
        for word in days.into_iter().chain(words).chain(taxes) {
            assert!(text.contains(word), "{word} is not in:\n{text}");
        }
        for name in ["Zażółć Ångström", "Ελένη 7", "10115 Berlin"] {
            assert!(text.contains(name), "{name} is not in:\n{text}");
        }
    }
}

#[test]
fn an_invoice_with_a_number_of_its_own_names_its_order_too() {
    let own = Invoice {
        number: "2027/000007".to_owned(),
        order: Some("VT-100042".to_owned()),
        ..invoice(Currency::Eur, 1)
    };
    let (text, _) = read_back(&own);
    let Some(text) = text else { return };
    for words in ["Invoice 2027/000007", "Order VT-100042", "Date of issue 2026-11-30"] {
        assert!(text.contains(words), "{words} is not in:\n{text}");
    }
    // At its head and at its foot; one that carries its order's number says it at its foot alone.
    assert_eq!(text.matches("Invoice 2027/000007").count(), 2, "{text}");
    let (text, _) = read_back(&invoice(Currency::Eur, 1));
    assert!(text.is_none_or(|text| text.matches("Invoice VT-100042").count() == 1));
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

/// Twelve letters of Noto Sans CJK; see the licence beside them.
const CJK: &[u8] = include_bytes!("../fonts/cjk.otf");
const OWN: &[u8] = include_bytes!("../../fonts/DejaVuSans.ttf");

#[test]
fn letters_of_a_named_font_are_printed_and_can_be_found() {
    let mut fonts = Fonts::default();
    fonts.add(CJK.to_vec(), 0).unwrap();
    let mut order = invoice(Currency::Jpy, 1);
    // The last is written in parts, as some systems do.
    order.buyer = ["山田 太郎 (Tarō)", "東京 12", "Kim \u{1100}\u{1175}\u{11b7}민수"]
        .map(str::to_owned)
        .to_vec();
    let (text, _) = read_back_in(&fonts, &order);
    if let Some(text) = text {
        for found in ["山田 太郎 (Tarō)", "東京 12", "Kim 김민수", "VT-100042"] {
            assert!(text.contains(found), "{found} is not in:\n{text}");
        }
        assert!(!text.contains('?'), "{text}");
    }
    let (text, _) = read_back(&order);
    assert!(text.is_none_or(|text| text.contains("?? ?? (Tarō)") && text.contains("Kim ???")));
}

#[test]
fn text_from_right_to_left_is_read_in_its_order_beside_text_from_left_to_right() {
    let mut order = invoice(Currency::Eur, 1);
    order.buyer = ["שלום כהן", "رحلة سعيدة", "Haifa שלום abc"].map(str::to_owned).to_vec();
    let (text, _) = read_back(&order);
    let Some(text) = text else { return };
    // Readers put marks of their own around what turns the line round.
    let plain: String =
        text.chars().filter(|one| !('\u{202a}'..='\u{202e}').contains(one)).collect();
    // Where a line has both directions, poppler puts spaces where it sees fit.
    for found in ["שלום כהן", "رحلة سعيدة", "Haifa", "שלום", "abc"] {
        assert!(plain.contains(found), "{found} is not in:\n{plain}");
    }
}

/// Says in the font itself whether it may be put into documents.
fn with_permissions(bits: u16) -> Vec<u8> {
    let mut bytes = CJK.to_vec();
    let record = bytes.windows(4).position(|tag| tag == b"OS/2").unwrap();
    let place = bytes[record + 8..record + 12].try_into().map(u32::from_be_bytes).unwrap();
    let place = usize::try_from(place).unwrap() + 8;
    bytes[place..place + 2].copy_from_slice(&bits.to_be_bytes());
    bytes
}

/// Calls the table of outlines something that nobody knows.
fn without_outlines() -> Vec<u8> {
    let mut bytes = CJK.to_vec();
    let record = bytes.windows(4).position(|tag| tag == b"CFF ").unwrap();
    bytes[record] = b'A';
    bytes
}

#[test]
fn a_font_that_cannot_or_must_not_be_used_is_refused_with_its_reason() {
    let check = |bytes: Vec<u8>, index: u32, expected: FontError| {
        assert_eq!(Fonts::default().add(bytes, index), Err(expected));
    };
    check(b"%PDF-1.4 is no font".to_vec(), 0, FontError::Unreadable);
    check(Vec::new(), 0, FontError::Unreadable);
    check(CJK[..600].to_vec(), 0, FontError::Unreadable);
    check(without_outlines(), 0, FontError::NoOutlines);
    check(CJK.to_vec(), 3, FontError::NoSuchFont { index: 3, count: 1 });
    check(with_permissions(2), 0, FontError::Forbidden);
    check(with_permissions(0x0100), 0, FontError::Forbidden);
    check(vec![0; FONT_BYTES_MAX + 1], 0, FontError::TooLong);
    let mut fonts = Fonts::default();
    fonts.add(with_permissions(8), 0).unwrap();
    for _ in 1..FONTS_MAX {
        fonts.add(OWN.to_vec(), 0).unwrap();
    }
    assert_eq!(fonts.add(OWN.to_vec(), 0), Err(FontError::TooMany));
    assert_eq!(fonts.count(), FONTS_MAX);
    // None of them in the way of another.
    let (text, _) = read_back_in(&fonts, &invoice(Currency::Eur, 1));
    assert!(text.is_none_or(|text| text.contains("Zażółć Ångström")));
}
