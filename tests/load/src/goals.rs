//! What the figures were to be, beside what they are.

use serde_json::{Value, json};

use crate::edge::WITH_TOKEN;
use crate::matrix::{Figures, Group};
use crate::report::{Report, middle, ratio};

/// Goals are about this many connections, unless they name others.
const CONNECTIONS: u32 = 16;
/// The many of "many to some".
const MANY: u32 = 64;
const EXPRESS: &str = "node, express lane";
const STANDARD: &str = "node, standard lane";

/// A figure with its bound.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Goal {
    what: String,
    figure: f64,
    bound: Bound,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    Least(f64),
    Most(f64),
}

impl Goal {
    /// A figure that is to reach a bound.
    pub(crate) const fn least(what: String, figure: f64, bound: f64) -> Self {
        Self { what, figure, bound: Bound::Least(bound) }
    }

    /// A figure that is to stay within a bound.
    pub(crate) const fn most(what: String, figure: f64, bound: f64) -> Self {
        Self { what, figure, bound: Bound::Most(bound) }
    }

    fn is_met(&self) -> bool {
        match self.bound {
            Bound::Least(bound) => self.figure >= bound,
            Bound::Most(bound) => self.figure <= bound,
        }
    }

    fn bound(&self) -> String {
        match self.bound {
            Bound::Least(bound) => format!(">= {bound}"),
            Bound::Most(bound) => format!("<= {bound}"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "goal": self.what, "figure": self.figure, "bound": self.bound(), "is_met": self.is_met() })
    }

    pub(crate) fn line(&self) -> String {
        let verdict = if self.is_met() { "met" } else { "MISSED" };
        format!("{:<72} {:>7.3}   {:<8}   {verdict}\n", self.what, self.figure, self.bound())
    }
}

/// The goals that the report has figures for, and those that it was given.
pub(crate) fn of(report: &Report) -> Vec<Goal> {
    let mut goals = report.goals.clone();
    for group in &report.groups {
        let (standard, express) = if group.name == "hello" { (0.26, 0.8) } else { (0.17, 0.5) };
        let yardstick = group.series.first().map_or("", |series| series.target.name);
        for (lane, least) in [(EXPRESS, express), (STANDARD, standard)] {
            let Some(figure) = rates(group, lane, yardstick) else { continue };
            let what = format!("{}: {lane} : {yardstick}, requests/s", group.name);
            goals.push(Goal { what, figure, bound: Bound::Least(least) });
        }
        if let Some(figure) = rates(group, WITH_TOKEN, EXPRESS) {
            let what = format!("{}: with a token : without, requests/s", group.name);
            goals.push(Goal { what, figure, bound: Bound::Least(0.8) });
        }
        for lane in [EXPRESS, STANDARD] {
            let many = figures(group, lane, MANY).map(Figures::cpu_us_per_answer);
            let some = figures(group, lane, CONNECTIONS).map(Figures::cpu_us_per_answer);
            let (Some(many), Some(some)) = (many, some) else { continue };
            let what = format!("{}: {lane}, CPU at {MANY} connections : {CONNECTIONS}", group.name);
            goals.push(Goal { what, figure: ratio(many, some), bound: Bound::Most(1.15) });
        }
    }
    for starts in &report.starts {
        let most = |what: &str, figure, bound| Goal {
            what: format!("{}: {what}", starts.name),
            figure,
            bound: Bound::Most(bound),
        };
        goals.push(most("engine, ms", middle(&starts.engine_ms), 12.0));
        goals.push(most("first answer, ms", middle(&starts.answered_ms), 100.0));
    }
    for memory in &report.memory {
        let what = format!("hello, {}: private KiB of an idle instance", memory.lane);
        goals.push(Goal { what, figure: memory.kib_per_instance, bound: Bound::Most(60.0) });
    }
    goals
}

fn rates(group: &Group, of: &str, to: &str) -> Option<f64> {
    let rate = |name| figures(group, name, CONNECTIONS).map(Figures::rate);
    Some(ratio(rate(of)?, rate(to)?))
}

fn figures<'a>(group: &'a Group, name: &str, connections: u32) -> Option<&'a Figures> {
    let series = group.series.iter().find(|series| series.target.name == name)?;
    series.figures.iter().find(|figures| figures.connections == connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_on_its_side_of_the_bound() {
        let goal = |figure, bound| Goal { what: "it".to_owned(), figure, bound };
        for (goal, is_met) in [
            (goal(0.8, Bound::Least(0.8)), true),
            (goal(0.79, Bound::Least(0.8)), false),
            (goal(12.0, Bound::Most(12.0)), true),
            (goal(12.1, Bound::Most(12.0)), false),
        ] {
            assert_eq!(goal.is_met(), is_met, "{goal:?}");
            assert_eq!(goal.line().contains("MISSED"), !is_met);
        }
    }
}
