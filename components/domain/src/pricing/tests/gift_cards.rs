//! Gift cards pay in the order of their expiry, never more than is due, and change no tax.

use super::*;

fn card(number: u8, minor: i64, expires_at_ms: Option<i64>) -> GiftCard {
    GiftCard {
        id: GiftCardId::v4([number; 16]),
        balance: money(minor),
        expires_at: expires_at_ms.map(Timestamp::from_unix_ms),
        is_enabled: true,
    }
}

/// Checks what is paid by which card of a cart of 10 000, which cards are refused, and what is due.
#[track_caller]
fn check(
    gift_cards: Vec<GiftCard>,
    paid: &[(u8, i64)],
    refused: &[(u8, GiftCardRefusal)],
    due: i64,
) {
    let mut case = Case::of(lines(&[(10_000, 1)]))
        .taxed(PriceMode::Inclusive, vec![tax_rule("VAT", "standard", 190_000)]);
    case.gift_cards = gift_cards;
    let quote = case.quote();
    let number = |id: &GiftCardId| id.as_bytes()[0];
    let payments: Vec<_> =
        quote.gift_cards.iter().map(|one| (number(&one.gift_card), one.amount.minor)).collect();
    let refusals: Vec<_> =
        quote.refused_gift_cards.iter().map(|one| (number(&one.gift_card), one.reason)).collect();
    assert_eq!((payments.as_slice(), refusals.as_slice()), (paid, refused));
    assert_eq!((quote.totals.due, quote.totals.total), (money(due), money(10_000)));
    assert_eq!(quote.totals.tax, money(1_597));
}

#[test]
fn the_card_that_expires_first_pays_first() {
    let cards = vec![
        card(1, 4_000, None),
        card(2, 3_000, Some(9_000_000)),
        card(3, 2_000, Some(8_000_000)),
    ];
    check(cards, &[(3, 2_000), (2, 3_000), (1, 4_000)], &[], 1_000);
    let same = vec![card(2, 6_000, None), card(1, 6_000, None)];
    check(same, &[(1, 6_000), (2, 4_000)], &[], 0);
}

#[test]
fn cards_pay_no_more_than_is_due() {
    check(vec![card(1, 10_000, None)], &[(1, 10_000)], &[], 0);
    let cards = vec![card(1, 99_999, None), card(2, 1, None)];
    check(cards, &[(1, 10_000)], &[(2, GiftCardRefusal::NotNeeded)], 0);
}

#[test]
fn cards_that_cannot_pay_are_refused_with_a_reason() {
    let disabled = GiftCard { is_enabled: false, ..card(1, 500, None) };
    let yen = GiftCard { balance: Money::new(500, Currency::Jpy), ..card(2, 0, None) };
    let (now, next) = (NOW.unix_ms(), NOW.unix_ms() + 1);
    for (gift_card, reason) in [
        (disabled, GiftCardRefusal::Disabled),
        (yen, GiftCardRefusal::WrongCurrency),
        (card(3, 500, Some(now)), GiftCardRefusal::Expired),
        (card(4, 0, None), GiftCardRefusal::Empty),
        (card(5, -1, None), GiftCardRefusal::Empty),
    ] {
        let number = gift_card.id.as_bytes()[0];
        check(vec![gift_card], &[], &[(number, reason)], 10_000);
    }
    check(vec![card(3, 500, Some(next))], &[(3, 500)], &[], 9_500);
    let twice = vec![card(1, 500, None), card(1, 500, None)];
    check(twice, &[(1, 500)], &[(1, GiftCardRefusal::GivenTwice)], 9_500);
}
