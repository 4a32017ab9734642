//! The words of tool and argument names, and what each can mean.

/// Most words read of one name; what is beyond does not change what a tool is.
const MOST: usize = 24;
/// Longest part of a name that is read, in bytes.
const LONGEST: usize = 256;

/// A name split into lower-case words.
#[derive(Clone, Debug, Default)]
pub struct Words {
    text: String,
    ends: Vec<u16>,
}

impl Words {
    /// Splits at case changes and at everything that is neither letter nor digit:
    /// `runTerminal_cmd` is run, terminal, cmd; `executeSQL` is execute, sql.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let mut words = Self {
            text: String::with_capacity(name.len().min(LONGEST)),
            ends: Vec::with_capacity(8),
        };
        let mut before = None::<char>;
        let mut characters = name.chars().peekable();
        while let Some(character) = characters.next() {
            if words.text.len() >= LONGEST || words.ends.len() >= MOST {
                break;
            }
            if !character.is_alphanumeric() {
                words.end();
                before = None;
                continue;
            }
            let upper = character.is_uppercase();
            let after_lower = before.is_some_and(|b| b.is_lowercase() || b.is_numeric());
            // The last capital of a run begins the next word: `HTTPPost`, `SQLQuery`.
            let ends_run = before.is_some_and(char::is_uppercase)
                && characters.peek().is_some_and(|next| next.is_lowercase());
            if upper && (after_lower || ends_run) {
                words.end();
            }
            if character.is_ascii() {
                words.text.push(character.to_ascii_lowercase());
            } else {
                words.text.extend(character.to_lowercase());
            }
            before = Some(character);
        }
        words.end();
        words
    }

    /// Whether a name is one plain word already, as most names of arguments are.
    #[must_use]
    pub fn is_one(name: &str) -> bool {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        !name.is_empty() && name.bytes().all(plain)
    }

    fn end(&mut self) {
        let start = self.ends.last().copied().unwrap_or(0);
        if let Ok(end) = u16::try_from(self.text.len())
            && end > start
        {
            self.ends.push(end);
        }
    }

    /// The words, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        (0..self.ends.len()).map(|index| {
            let start = index
                .checked_sub(1)
                .and_then(|i| self.ends.get(i))
                .copied()
                .unwrap_or(0);
            let end = self.ends.get(index).copied().unwrap_or(0);
            self.text
                .get(usize::from(start)..usize::from(end))
                .unwrap_or_default()
        })
    }

    /// Whether `word` is one of them.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.iter().any(|w| w == word)
    }

    /// Whether one of `words` is among them.
    #[must_use]
    pub fn any(&self, words: &[&str]) -> bool {
        self.iter().any(|w| words.contains(&w))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// What the words mean together.
    #[must_use]
    pub fn senses(&self) -> Senses {
        self.iter()
            .fold(Senses(0), |all, word| Senses(all.0 | Senses::of(word).0))
    }
}

/// A set of meanings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Senses(pub u64);

macro_rules! senses {
    ($($(#[doc = $doc:literal])* $name:ident = $bit:literal;)*) => {
        impl Senses {
            $($(#[doc = $doc])* pub const $name: Self = Self(1 << $bit);)*
        }
    };
}

senses! {
    /// Starts something: run, execute.
    RUN = 0;
    /// A shell or its command line.
    SHELL = 1;
    /// Something that is started as a process: process, container, pod.
    PROCESS = 2;
    /// A programming language or its interpreter.
    LANGUAGE = 3;
    /// Program text.
    CODE = 4;
    /// Evaluates program text.
    EVALUATE = 5;
    /// A browser and its page.
    BROWSER = 6;
    /// Files and folders.
    FILE = 7;
    /// Reads.
    READ = 8;
    /// Writes or changes.
    WRITE = 9;
    /// Deletes.
    DELETE = 10;
    /// Lists or looks up without reading.
    LIST = 11;
    /// A version control system or its host.
    GIT = 12;
    /// What version control holds: repository, branch.
    REPOSITORY = 13;
    /// HTTP and the web.
    HTTP = 14;
    /// A request, to be told from a pull request.
    REQUEST = 15;
    /// Connections below HTTP.
    NETWORK = 16;
    /// Puts data elsewhere.
    UPLOAD = 17;
    /// Sends: of what, the other words say.
    SEND = 18;
    /// Databases and their language.
    DATABASE = 19;
    /// A query, of a database or of a search.
    QUERY = 20;
    /// Tables and schemas.
    TABLE = 21;
    /// Ways of writing to people.
    MESSAGING = 22;
    /// What is written to people: message, chat.
    MESSAGE = 23;
    /// Carries no meaning of its own: the, tool, mcp.
    FILLER = 24;
    /// Looks at text without running it: review, format, explain.
    STUDY = 25;
    /// Storage of objects: bucket, s3.
    OBJECT = 26;
    /// Brings something in: download, fetch.
    FETCH = 27;
}

impl Senses {
    /// What one word can mean. Digits at the end do not change it: `python3`.
    #[must_use]
    pub fn of(word: &str) -> Self {
        let find = |word: &str| TABLE.binary_search_by_key(&word, |(w, _)| w).ok();
        find(word)
            .or_else(|| find(word.trim_end_matches(|c: char| c.is_ascii_digit())))
            .and_then(|index| TABLE.get(index))
            .map_or(Self(0), |(_, senses)| *senses)
    }

    /// Whether it has any of `other`.
    #[must_use]
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

type S = Senses;

/// Every word with a meaning, sorted for the search.
static TABLE: &[(&str, Senses)] = &[
    ("a", S::FILLER),
    ("add", S::WRITE),
    ("analyse", S::STUDY),
    ("analyze", S::STUDY),
    ("and", S::FILLER),
    ("answer", S::STUDY),
    ("append", S::WRITE),
    ("applescript", S::LANGUAGE),
    ("apply", S::WRITE),
    ("archive", S::WRITE),
    ("ask", S::STUDY),
    ("attach", S::UPLOAD),
    ("attachment", S::FILE),
    ("attachments", S::FILE),
    ("audit", S::STUDY),
    ("backup", S::SEND),
    ("bash", S::SHELL),
    ("bigquery", S::DATABASE),
    ("bitbucket", S::GIT),
    ("blob", S::OBJECT),
    ("branch", S::REPOSITORY),
    ("branches", S::REPOSITORY),
    ("browse", S::HTTP.or(S::FETCH)),
    ("browser", S::BROWSER),
    ("bucket", S::OBJECT),
    ("call", S::FILLER),
    ("cassandra", S::DATABASE),
    ("cat", S::READ),
    ("cell", S::CODE),
    ("chat", S::MESSAGE),
    ("check", S::STUDY),
    ("classify", S::STUDY),
    ("clickhouse", S::DATABASE),
    ("clone", S::REPOSITORY),
    ("cmd", S::SHELL),
    ("code", S::CODE),
    ("codeberg", S::GIT),
    ("command", S::SHELL),
    ("commandline", S::SHELL),
    ("commands", S::SHELL),
    ("commit", S::REPOSITORY),
    ("commits", S::REPOSITORY),
    ("compile", S::STUDY),
    ("complete", S::STUDY),
    ("connect", S::NETWORK),
    ("console", S::SHELL),
    ("container", S::PROCESS),
    ("convert", S::STUDY),
    ("copy", S::WRITE),
    ("crawl", S::HTTP.or(S::FETCH)),
    ("create", S::WRITE),
    ("curl", S::HTTP.or(S::NETWORK)),
    ("cypher", S::DATABASE),
    ("database", S::DATABASE),
    ("databases", S::DATABASE),
    ("db", S::DATABASE),
    ("delete", S::DELETE),
    ("deno", S::LANGUAGE),
    ("describe", S::LIST),
    ("destroy", S::DELETE),
    ("detect", S::STUDY),
    ("dir", S::FILE),
    ("directories", S::FILE),
    ("directory", S::FILE),
    ("discord", S::MESSAGING),
    ("disk", S::FILE),
    ("dm", S::MESSAGE),
    ("dns", S::NETWORK),
    ("docker", S::PROCESS),
    ("document", S::STUDY),
    ("download", S::FETCH),
    ("drop", S::DELETE),
    ("dropbox", S::UPLOAD),
    ("duckdb", S::DATABASE),
    ("dynamodb", S::DATABASE),
    ("edit", S::WRITE),
    ("editor", S::WRITE.or(S::FILE)),
    ("elasticsearch", S::DATABASE),
    ("email", S::MESSAGING),
    ("emails", S::MESSAGING),
    ("estimate", S::STUDY),
    ("eval", S::EVALUATE),
    ("evaluate", S::EVALUATE),
    ("exec", S::RUN.or(S::EVALUATE)),
    ("execute", S::RUN),
    ("executecommand", S::RUN.or(S::SHELL)),
    ("executor", S::RUN),
    ("exists", S::LIST),
    ("explain", S::STUDY),
    ("export", S::SEND),
    ("fetch", S::FETCH),
    ("file", S::FILE),
    ("files", S::FILE),
    ("filesystem", S::FILE),
    ("fix", S::STUDY),
    ("folder", S::FILE),
    ("folders", S::FILE),
    ("format", S::STUDY),
    ("forward", S::SEND),
    ("fs", S::FILE),
    ("ftp", S::NETWORK),
    ("generate", S::STUDY),
    ("get", S::READ),
    ("gh", S::GIT),
    ("gist", S::GIT),
    ("gists", S::GIT),
    ("git", S::GIT),
    ("gitea", S::GIT),
    ("github", S::GIT),
    ("gitlab", S::GIT),
    ("glob", S::LIST.or(S::FILE)),
    ("gmail", S::MESSAGING),
    ("grep", S::LIST.or(S::FILE)),
    ("help", S::STUDY),
    ("hg", S::GIT),
    ("highlight", S::STUDY),
    ("http", S::HTTP),
    ("https", S::HTTP),
    ("imap", S::MESSAGING),
    ("imessage", S::MESSAGING),
    ("in", S::FILLER),
    ("index", S::STUDY),
    ("info", S::LIST),
    ("insert", S::WRITE),
    ("inspect", S::STUDY),
    ("interpreter", S::EVALUATE.or(S::CODE)),
    ("ipython", S::LANGUAGE),
    ("javascript", S::LANGUAGE),
    ("js", S::LANGUAGE),
    ("jupyter", S::LANGUAGE),
    ("kernel", S::EVALUATE),
    ("kubectl", S::PROCESS),
    ("lint", S::STUDY),
    ("list", S::LIST),
    ("local", S::FILLER),
    ("log", S::STUDY),
    ("lookup", S::LIST),
    ("ls", S::LIST.or(S::FILE)),
    ("mail", S::MESSAGING),
    ("make", S::FILLER),
    ("mariadb", S::DATABASE),
    ("mastodon", S::MESSAGING),
    ("mcp", S::FILLER),
    ("media", S::FILLER),
    ("mercurial", S::GIT),
    ("message", S::MESSAGE),
    ("messages", S::MESSAGE),
    ("mirror", S::SEND),
    ("mkdir", S::WRITE.or(S::FILE)),
    ("modify", S::WRITE),
    ("mongo", S::DATABASE),
    ("mongodb", S::DATABASE),
    ("move", S::WRITE),
    ("mssql", S::DATABASE),
    ("multi", S::FILLER),
    ("multiedit", S::WRITE.or(S::FILE)),
    ("multiple", S::FILLER),
    ("mysql", S::DATABASE),
    ("navigate", S::HTTP.or(S::FETCH)),
    ("nc", S::NETWORK),
    ("neo4j", S::DATABASE),
    ("neon", S::DATABASE),
    ("netcat", S::NETWORK),
    ("network", S::NETWORK),
    ("nodejs", S::LANGUAGE),
    ("notebook", S::CODE),
    ("notification", S::MESSAGE),
    ("notifications", S::MESSAGE),
    ("notify", S::MESSAGE),
    ("nslookup", S::NETWORK),
    ("object", S::OBJECT),
    ("oracle", S::DATABASE),
    ("osascript", S::LANGUAGE),
    ("outlook", S::MESSAGING),
    ("page", S::BROWSER),
    ("parse", S::STUDY),
    ("paste", S::UPLOAD),
    ("pastebin", S::UPLOAD),
    ("patch", S::WRITE),
    ("perl", S::LANGUAGE),
    ("pg", S::DATABASE),
    ("php", S::LANGUAGE),
    ("ping", S::NETWORK),
    ("playwright", S::BROWSER),
    ("pod", S::PROCESS),
    ("podman", S::PROCESS),
    ("post", S::SEND),
    ("postgres", S::DATABASE),
    ("postgresql", S::DATABASE),
    ("powershell", S::SHELL),
    ("preview", S::STUDY),
    ("process", S::PROCESS),
    ("program", S::PROCESS),
    ("psql", S::DATABASE),
    ("publish", S::UPLOAD),
    ("puppeteer", S::BROWSER),
    ("purge", S::DELETE),
    ("push", S::SEND),
    ("put", S::SEND),
    ("pwsh", S::SHELL),
    ("python", S::LANGUAGE),
    ("queries", S::QUERY),
    ("query", S::QUERY),
    ("read", S::READ),
    ("readfile", S::READ.or(S::FILE)),
    ("record", S::STUDY),
    ("redis", S::DATABASE),
    ("refactor", S::STUDY),
    ("remember", S::STUDY),
    ("remote", S::FILLER),
    ("remove", S::DELETE),
    ("rename", S::WRITE),
    ("repl", S::EVALUATE.or(S::CODE)),
    ("replace", S::WRITE),
    ("replicate", S::SEND),
    ("repo", S::REPOSITORY),
    ("repos", S::REPOSITORY),
    ("repositories", S::REPOSITORY),
    ("repository", S::REPOSITORY),
    ("request", S::REQUEST),
    ("requests", S::REQUEST),
    ("review", S::STUDY),
    ("rm", S::DELETE.or(S::FILE)),
    ("rmdir", S::DELETE.or(S::FILE)),
    ("rsync", S::NETWORK.or(S::UPLOAD)),
    ("ruby", S::LANGUAGE),
    ("run", S::RUN),
    ("runcommand", S::RUN.or(S::SHELL)),
    ("runner", S::RUN),
    ("s3", S::OBJECT),
    ("safe", S::FILLER),
    ("sandbox", S::EVALUATE),
    ("save", S::WRITE),
    ("score", S::STUDY),
    ("scp", S::NETWORK.or(S::UPLOAD)),
    ("scrape", S::HTTP.or(S::FETCH)),
    ("script", S::CODE),
    ("scripts", S::CODE),
    ("search", S::LIST),
    ("send", S::SEND),
    ("sendgrid", S::MESSAGING),
    ("sendmail", S::MESSAGING),
    ("set", S::WRITE),
    ("sftp", S::NETWORK.or(S::UPLOAD)),
    ("sh", S::SHELL),
    ("share", S::UPLOAD),
    ("shell", S::SHELL),
    ("shellexec", S::RUN.or(S::SHELL)),
    ("slack", S::MESSAGING),
    ("sms", S::MESSAGING),
    ("smtp", S::MESSAGING),
    ("snippet", S::CODE),
    ("snowflake", S::DATABASE),
    ("socket", S::NETWORK),
    ("sourcehut", S::GIT),
    ("spawn", S::RUN.or(S::PROCESS)),
    ("sql", S::DATABASE),
    ("sqlite", S::DATABASE),
    ("ssh", S::SHELL.or(S::NETWORK)),
    ("start", S::RUN),
    ("stat", S::LIST),
    ("statement", S::QUERY),
    ("store", S::WRITE),
    ("submit", S::SEND),
    ("subprocess", S::SHELL),
    ("suggest", S::STUDY),
    ("summarize", S::STUDY),
    ("supabase", S::DATABASE),
    ("svn", S::GIT),
    ("sync", S::SEND),
    ("system", S::SHELL),
    ("table", S::TABLE),
    ("tables", S::TABLE),
    ("tcp", S::NETWORK),
    ("telegram", S::MESSAGING),
    ("telnet", S::NETWORK),
    ("term", S::SHELL),
    ("terminal", S::SHELL),
    ("text", S::FILLER),
    ("the", S::FILLER),
    ("tmux", S::SHELL),
    ("to", S::FILLER),
    ("tool", S::FILLER),
    ("touch", S::WRITE.or(S::FILE)),
    ("track", S::STUDY),
    ("transfer", S::SEND),
    ("translate", S::STUDY),
    ("trash", S::DELETE),
    ("tree", S::LIST),
    ("tweet", S::MESSAGING),
    ("twilio", S::MESSAGING),
    ("twitter", S::MESSAGING),
    ("typescript", S::LANGUAGE),
    ("udp", S::NETWORK),
    ("unlink", S::DELETE.or(S::FILE)),
    ("update", S::WRITE),
    ("upload", S::UPLOAD),
    ("uploads", S::UPLOAD),
    ("uri", S::HTTP),
    ("url", S::HTTP),
    ("validate", S::STUDY),
    ("view", S::READ),
    ("web", S::BROWSER),
    ("webhook", S::HTTP.or(S::SEND)),
    ("webpage", S::HTTP),
    ("website", S::HTTP),
    ("wget", S::HTTP.or(S::NETWORK)),
    ("whatsapp", S::MESSAGING),
    ("whois", S::NETWORK),
    ("write", S::WRITE),
    ("writefile", S::WRITE.or(S::FILE)),
    ("zsh", S::SHELL),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn names_split_at_case_changes_and_separators() {
        for (name, expected) in [
            ("runTerminal_cmd", "run terminal cmd"),
            ("executeSQL", "execute sql"),
            ("HTTPPost", "http post"),
            ("SQLQueryRunner", "sql query runner"),
            ("mcp__file-system.read_file", "mcp file system read file"),
            ("s3Upload", "s3 upload"),
            ("python3", "python3"),
            ("--", ""),
        ] {
            let words = Words::of(name);
            assert_eq!(words.iter().collect::<Vec<_>>().join(" "), expected);
        }
    }
}
