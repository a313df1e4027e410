//! A verdict that is written once and used for many requests.

use crate::edit::write_edits_with;
use crate::{Body, Edit, Verdict, Writer};

/// A [`Verdict::Pass`] with the request's own body, written but for the values of some fields that are each request's
/// own.
#[derive(Debug)]
pub struct PassForm {
    written: Vec<u8>,
    /// Where a value is missing in `written`, and the number of its field; in the order of places.
    gaps: Vec<(usize, usize)>,
}

impl PassForm {
    /// Writes a verdict. Where an edit sets a field of `own`, its value is left out.
    #[must_use]
    pub fn new<'e>(
        request: impl IntoIterator<Item = Edit<'e>>,
        answer: impl IntoIterator<Item = Edit<'e>>,
        own: &[&str],
    ) -> Self {
        let mut gaps = Vec::new();
        let mut write = |edit: &Edit<'_>, out: &mut Writer| match edit {
            Edit::Set(name, _) if let Some(at) = own.iter().position(|one| one == name) => {
                Edit::start_set(out, name);
                gaps.push((out.len(), at));
            }
            _ => edit.write(out),
        };
        let mut out = Verdict::start_pass();
        write_edits_with(&mut out, request, &mut write);
        Body::Unread.write(&mut out);
        write_edits_with(&mut out, answer, &mut write);
        Self { written: out.finish(), gaps }
    }

    /// Returns the verdict with `values` for the fields that were left out, in their order.
    #[must_use]
    pub fn fill(&self, values: &[&str]) -> Vec<u8> {
        let value = |at: &usize| values.get(*at).copied().unwrap_or_default();
        let added = self.gaps.iter().map(|(_, at)| value(at).len().saturating_add(4));
        let length = added.fold(self.written.len(), usize::saturating_add);
        let mut out = Writer::with_capacity(length);
        let mut from = 0;
        for (place, at) in &self.gaps {
            out.raw(self.written.get(from..*place).unwrap_or_default());
            out.bytes(value(at));
            from = *place;
        }
        out.raw(self.written.get(from..).unwrap_or_default());
        out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_that_is_filled_is_the_verdict_that_was_meant() {
        let of = |[a, b]: [&'static str; 2]| {
            let request = [Edit::RemoveConnection, Edit::Set("x-a", a.as_bytes())];
            let answer = [
                Edit::Remove("server"),
                Edit::Set("x-b", b.as_bytes()),
                Edit::Append("x-b", b"1"),
                Edit::Set("x-a", a.as_bytes()),
                Edit::Set("x-c", b"c"),
            ];
            (request, answer)
        };
        let (request, answer) = of(["", ""]);
        let form = PassForm::new(request, answer, &["x-a", "x-b"]);
        for values in [["", ""], ["1", "two"], ["a longer value", "b"]] {
            let (request, answer) = of(values);
            let filled = form.fill(&values);
            assert_eq!(filled, Verdict::write_pass(request, Body::Unread, answer));
            assert_eq!(filled.len(), filled.capacity());
        }
        let (request, answer) = of(["1", "2"]);
        let form = PassForm::new(request.clone(), answer.clone(), &[]);
        assert_eq!(form.fill(&[]), Verdict::write_pass(request, Body::Unread, answer));
    }
}
