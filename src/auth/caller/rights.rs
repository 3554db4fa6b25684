//! An authenticated caller, and what it may do.

/// An authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub name: String,
    pub rights: Rights,
}

/// What a caller may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Everything: roles are not looked at.
    All,
    Roles(Vec<String>),
}
