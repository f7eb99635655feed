//! The sorts of outcomes, by the names that they have in `--json` too.

/// What sort of thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The command came to no verdict of its own, or to an error that is one.
    Error,
    /// A file is not as listed.
    Changed,
    /// A listed file is not there.
    Missing,
    /// A file is there that is not listed.
    NotListed,
    /// It is another release than the user wants.
    OtherRelease,
    /// It was withdrawn.
    Withdrawn,
    /// It is not as the policy asks.
    Policy,
    /// The log signed two histories.
    Fork,
    /// Anything else that refutes it.
    Broken,
    /// All that speaks for a file is digests that others can be made to have.
    WeakDigests,
    /// Anything else that leaves it open.
    Doubt,
    /// The log has a newer release of the model.
    Superseded,
    /// Worth knowing.
    Remark,
    /// It was checked, and holds.
    Checked,
    /// It was not checked.
    NotChecked,
}

/// What an outcome does to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It refutes, or ends the command.
    Refutes,
    /// It leaves it open.
    LeavesOpen,
    /// It changes nothing.
    Note,
    /// It holds.
    Holds,
    /// Nobody looked.
    Open,
}

impl Rule {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 15] = [
        Self::Error,
        Self::Changed,
        Self::Missing,
        Self::NotListed,
        Self::OtherRelease,
        Self::Withdrawn,
        Self::Policy,
        Self::Fork,
        Self::Broken,
        Self::WeakDigests,
        Self::Doubt,
        Self::Superseded,
        Self::Remark,
        Self::Checked,
        Self::NotChecked,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::NotListed => "not-listed",
            Self::OtherRelease => "other-release",
            Self::Withdrawn => "withdrawn",
            Self::Policy => "policy",
            Self::Fork => "fork",
            Self::Broken => "broken",
            Self::WeakDigests => "weak-digests",
            Self::Doubt => "doubt",
            Self::Superseded => "superseded",
            Self::Remark => "remark",
            Self::Checked => "checked",
            Self::NotChecked => "not-checked",
        }
    }

    /// What it does to the verdict.
    pub const fn weight(self) -> Weight {
        match self {
            Self::Error
            | Self::Changed
            | Self::Missing
            | Self::NotListed
            | Self::OtherRelease
            | Self::Withdrawn
            | Self::Policy
            | Self::Fork
            | Self::Broken => Weight::Refutes,
            Self::WeakDigests | Self::Doubt => Weight::LeavesOpen,
            Self::Superseded | Self::Remark => Weight::Note,
            Self::Checked => Weight::Holds,
            Self::NotChecked => Weight::Open,
        }
    }

    /// What it means, in a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Error => "The verification ended with an error",
            Self::Changed => "A file is not as the release lists it",
            Self::Missing => "A file that the release lists is not there",
            Self::NotListed => "A file is there that the release does not list",
            Self::OtherRelease => "It is another release than the one that was asked for",
            Self::Withdrawn => "Its publisher has withdrawn it",
            Self::Policy => "It is not as the policy asks",
            Self::Fork => "The log signed two histories",
            Self::Broken => "What the log or a file says contradicts itself",
            Self::WeakDigests => "Only weak digests speak for a file",
            Self::Doubt => "Something leaves open whether it holds",
            Self::Superseded => "The log has a newer release of the model",
            Self::Remark => "Worth knowing, and changes nothing",
            Self::Checked => "It was checked, and holds",
            Self::NotChecked => "It was not checked",
        }
    }
}
