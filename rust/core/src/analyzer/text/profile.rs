//! What each detector costs on a text. For measurements: the clock is the caller's, and every hit
//! of a literal is timed, which an ordinary scan does not do.

use super::{Action, TextAnalyzer, TextContext, entropy, numbers, scan::Scan};
use crate::detector::DetectorId;

/// Who the time was spent for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The pass for all literals, which the detectors share.
    Literals,
    /// One detector, where one of its literals stood.
    Detector(DetectorId),
    /// Code that recognises several types, by its name.
    Code(String),
    /// The text as the value of what it is called.
    Named,
    /// Card and account numbers.
    Numbers,
    /// The terms of the organisation.
    Organisation,
    /// Random-looking strings.
    Entropy,
    /// Of findings that overlap, the most specific.
    Overlaps,
}

impl TextAnalyzer {
    /// Scans as [`TextAnalyzer::scan`] does and tells `spent` what each part took, in the unit of
    /// `clock`. A part may be told many times.
    pub fn profile(
        &self,
        text: &str,
        context: TextContext<'_>,
        limit: usize,
        clock: &mut dyn FnMut() -> u64,
        spent: &mut dyn FnMut(Part, u64),
    ) {
        let mut scan = Scan::new(self, text.as_bytes(), context, limit);
        let start = clock();
        self.prefilter.scan(text.as_bytes(), &mut |_, _| {});
        spent(Part::Literals, clock().saturating_sub(start));
        self.prefilter.scan(text.as_bytes(), &mut |literal, at| {
            let actions = self.actions.get(literal as usize);
            for &action in actions.map(Vec::as_slice).unwrap_or_default() {
                let from = clock();
                self.act(action, at, &mut scan);
                let taken = clock().saturating_sub(from);
                spent(self.part(action), taken);
            }
        });
        let mut timed = |part, work: &mut dyn FnMut(&mut Scan<'_, '_>)| {
            let from = clock();
            work(&mut scan);
            spent(part, clock().saturating_sub(from));
        };
        if let Some(name) = context.name {
            timed(Part::Named, &mut |scan| self.named(name, scan));
        }
        if self.numbers {
            timed(Part::Numbers, &mut |scan| numbers::numbers(scan));
        }
        timed(Part::Organisation, &mut |scan| {
            self.organisation.hashed(scan);
        });
        if self.entropy {
            timed(Part::Entropy, &mut |scan| entropy::scan(scan));
        }
        let from = clock();
        std::hint::black_box(scan.resolve());
        spent(Part::Overlaps, clock().saturating_sub(from));
    }

    fn part(&self, action: Action) -> Part {
        match action {
            Action::Format { rule, .. } | Action::Near { rule, .. } => self
                .rules
                .get(rule)
                .map_or(Part::Literals, |r| Part::Detector(r.detector())),
            Action::Code(call) => Part::Code(format!("{call:?}")),
            Action::Term { .. } => Part::Organisation,
        }
    }
}
