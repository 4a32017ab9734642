//! What kind of tool a call is for: by words of the name, by configuration, by arguments.

use super::words::{Senses as S, Words};

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

/// Every category with the name that rules and the configuration use.
pub const CATEGORIES: [(&str, Category); 10] = [
    ("shell", Category::Shell),
    ("filesystem", Category::Filesystem),
    ("git", Category::Git),
    ("network", Category::Network),
    ("upload", Category::Upload),
    ("http", Category::Http),
    ("database", Category::Database),
    ("messaging", Category::Messaging),
    ("code", Category::Code),
    ("other", Category::Other),
];

impl Category {
    /// The category of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        CATEGORIES
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, category)| *category)
    }
}

impl Categories {
    /// Whether the set has the category.
    #[must_use]
    pub const fn has(self, category: Category) -> bool {
        self.0 & category as u16 != 0
    }

    /// Whether the two sets share a category.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Adds a category.
    pub const fn add(&mut self, category: Category) {
        self.0 |= category as u16;
    }

    /// The set of one category, by its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Category::parse(name).map(|category| Self(category as u16))
    }

    /// The names of what is in the set, in the order of [`CATEGORIES`].
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        CATEGORIES
            .iter()
            .filter(move |(_, category)| self.has(*category))
            .map(|(name, _)| *name)
    }
}

/// A tool as its name and the configuration describe it. The annotations of a tool list will be
/// one more source here: hints of the server, never a reason to look less closely.
#[derive(Clone, Debug, Default)]
pub struct Tool {
    /// What it is for.
    pub categories: Categories,
    /// The words of its name.
    pub words: Words,
    /// What the words mean together.
    pub senses: S,
}

impl Tool {
    /// Reads a name. Globs of `configured` that match it say what the tool is, instead of its
    /// words; several that match add up.
    #[must_use]
    pub fn named(name: &str, configured: &[(String, Categories)]) -> Self {
        let words = Words::of(name);
        let senses = words.senses();
        let mut categories = Categories::default();
        for (glob, set) in configured {
            if matches(glob, name) {
                categories.0 |= set.0;
            }
        }
        if categories == Categories::default() {
            categories = by_words(&words, senses);
        }
        Self {
            categories,
            words,
            senses,
        }
    }

    /// Whether the tool is of the category.
    #[must_use]
    pub const fn is(&self, category: Category) -> bool {
        self.categories.has(category)
    }

    /// Whether nothing is known of what it does.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        self.categories.has(Category::Other)
    }

    /// Adds a category that the arguments show.
    pub const fn learn(&mut self, category: Category) {
        self.categories.0 &= !(Category::Other as u16);
        self.categories.add(category);
    }
}

/// The categories of a tool by its name alone.
#[must_use]
pub fn of_tool(name: &str) -> Categories {
    let words = Words::of(name);
    by_words(&words, words.senses())
}

fn by_words(words: &Words, senses: S) -> Categories {
    let mut found = Categories::default();
    // A word is alone when no other has a meaning: `run`, `mcp_run_tool`.
    let alone = words
        .iter()
        .filter(|word| !S::of(word).any(S::FILLER))
        .count()
        == 1;
    let pair = |first: &[&str], second: &[&str]| words.any(first) && words.any(second);

    let queries = senses.any(S::QUERY)
        && words.iter().all(|word| {
            S::of(word).any(
                S::QUERY
                    .or(S::RUN)
                    .or(S::READ)
                    .or(S::WRITE)
                    .or(S::FILLER)
                    .or(S::DATABASE)
                    .or(S::TABLE)
                    .or(S::SHELL),
            ) || matches!(word, "raw" | "select")
        });
    let tables =
        senses.any(S::TABLE) && senses.any(S::LIST.or(S::WRITE).or(S::DELETE).or(S::DATABASE));
    let database = senses.any(S::DATABASE) || queries || tables;
    if database {
        found.add(Category::Database);
    }

    let evaluates = senses.any(S::RUN.or(S::EVALUATE));
    let studies = senses.any(S::STUDY);
    let code = senses.any(S::LANGUAGE) && (evaluates || alone || !studies && words.len() <= 2)
        || senses.any(S::CODE) && evaluates
        || senses.any(S::EVALUATE)
            && (senses.any(S::BROWSER) || alone && !words.has("exec"))
            && !words.has("exec");
    if code {
        found.add(Category::Code);
    }

    let runs = senses.any(S::RUN);
    let shell = senses.any(S::SHELL) && (!database || words.any(&["shell", "bash", "sh"]))
        || runs && senses.any(S::PROCESS)
        || runs && alone
        || words.any(&["exec", "spawn"]) && !database && !code
        || runs && words.has("script")
        || words.any(&["docker", "kubectl", "podman"]) && (alone || words.has("cli"));
    // `explain_command` and `list_commands` run none.
    let told = words.any(&["command", "commands", "cmd"])
        && senses.any(S::STUDY.or(S::LIST))
        && !senses.any(S::RUN)
        && !words.any(&["shell", "bash", "terminal"]);
    let shell = shell && !told;
    // `system` names a shell only as the C function's name does: not in `system_info`.
    let shell = shell
        && !(words.has("system") && !runs && !alone && !pair(&["cmd", "command"], &["system"]));
    if shell {
        found.add(Category::Shell);
    }

    let plain = words.iter().all(|word| {
        S::of(word).any(
            S::READ
                .or(S::WRITE)
                .or(S::FILLER)
                .or(S::DELETE)
                .or(S::LIST)
                .or(S::FILE),
        ) || matches!(word, "str" | "based")
    });
    let content = words.any(&["read", "write", "edit", "cat", "patch", "mkdir", "view"]);
    if senses.any(S::FILE) || plain && content {
        found.add(Category::Filesystem);
    }

    let pull_request =
        pair(&["pull", "merge"], &["request", "requests"]) || words.any(&["pr", "prs"]);
    let commits = senses.any(S::REPOSITORY)
        && (words.any(&[
            "repo",
            "repos",
            "repository",
            "repositories",
            "commit",
            "commits",
        ]) || senses.any(S::LIST.or(S::WRITE).or(S::DELETE).or(S::SEND)));
    let pushes = words.has("push") && senses.any(S::FILE.or(S::REPOSITORY));
    if senses.any(S::GIT) || pull_request || commits || pushes {
        found.add(Category::Git);
    }

    let request = senses.any(S::REQUEST)
        && !pull_request
        && (alone
            || words.any(&[
                "http", "https", "web", "api", "rest", "url", "send", "make", "post", "get", "put",
                "patch",
            ]));
    let fetches = words.has("fetch") && (alone || senses.any(S::HTTP.or(S::BROWSER)))
        || words.has("download")
        || senses.any(S::BROWSER) && words.any(&["open", "goto", "get", "read"]);
    let http =
        senses.any(S::HTTP) || request || fetches || pair(&["rest", "api"], &["call", "post"]);
    if http {
        found.add(Category::Http);
    }
    if http || senses.any(S::NETWORK) {
        found.add(Category::Network);
    }

    let people = senses.any(S::MESSAGING)
        || senses.any(S::MESSAGE) && !senses.any(S::REPOSITORY.or(S::GIT)) && !words.has("commit")
        || pair(&["create", "publish", "submit"], &["post"])
        || pair(&["teams"], &["send", "post", "message"]);
    if people {
        found.add(Category::Messaging);
    }

    let sends = senses.any(S::SEND);
    let upload = senses.any(S::UPLOAD)
        || sends && (http || senses.any(S::FILE.or(S::OBJECT)))
        || words.any(&["post", "put"]) && alone
        || senses.any(S::OBJECT) && words.any(&["write", "create", "copy", "sync"])
        || pair(&["patch"], &["http", "https"])
        || words.any(&["gist", "gists"]) && senses.any(S::WRITE);
    if upload && !(people && senses.any(S::LIST)) {
        found.add(Category::Upload);
    }

    if found == Categories::default() {
        found.add(Category::Other);
    }
    found
}

/// Whether a glob of `*` and `?` covers the whole of `text`, without regard to ASCII case.
/// Linear but for the number of stars.
#[must_use]
pub fn matches(glob: &str, text: &str) -> bool {
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut g, mut t) = (0_usize, 0_usize);
    let mut back: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t) {
        match glob.get(g) {
            Some(b'*') => {
                g = g.saturating_add(1);
                back = Some((g, t));
                continue;
            }
            Some(&wanted) if wanted == b'?' || wanted.eq_ignore_ascii_case(byte) => {
                g = g.saturating_add(1);
                t = t.saturating_add(1);
                continue;
            }
            _ => {}
        }
        let Some((after_star, from)) = back else {
            return false;
        };
        g = after_star;
        t = from.saturating_add(1);
        back = Some((g, t));
    }
    glob.get(g..)
        .is_some_and(|rest| rest.iter().all(|&b| b == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tool: &str) -> String {
        of_tool(tool).names().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_tool_is_known_by_whole_words_of_its_name() {
        let mut wrong = Vec::new();
        for (expected, tools) in [
            (
                "shell",
                "shell_exec run bash sh zsh cmd shell terminal exec execute execute_command executeCommand \
                 run_terminal_cmd run_command runCommand run-command start_process docker_run docker_exec \
                 kubectl_exec pod_exec mcp__desktop__run_command local_shell system subprocess powershell \
                 run_in_terminal container.exec functions.exec_command tmux_send",
            ),
            ("shell network", "ssh_run ssh ssh_exec"),
            (
                "code",
                "python code_exec execute_python run_code jupyter_execute evaluate_script browser_evaluate \
                 execute_javascript python_repl code_interpreter puppeteer_evaluate run_notebook_cell \
                 execute_code ipython run_python3 eval python3 ExecuteCell sandbox_run_code",
            ),
            ("shell code", "run_script execute_script"),
            (
                "database",
                "execute_sql query read_query write_query postgres_query run_query psql db_query run_sql \
                 mysql_execute query_database list_tables describe_table executeSQL sqlite_query postgres_execute \
                 mongodb_find redis_set",
            ),
            (
                "filesystem",
                "list_files read_file write_file edit_file fs_read list_directory Read Write Edit MultiEdit \
                 move_file create_directory str_replace_editor delete_file read_multiple_files apply_patch \
                 str_replace_based_edit_tool search_files get_file_info Glob directory_tree",
            ),
            (
                "filesystem upload",
                "upload_file send_file share_file file_upload uploadFile",
            ),
            (
                "git",
                "git_commit github_create_issue create_pull_request git_push gitlab_list create_branch merge_pull_request list_commits",
            ),
            ("filesystem git", "github_get_file"),
            ("git upload", "create_gist"),
            (
                "messaging",
                "send_email slack_message discord_send send_message gmail_send post_message tweet send_sms create_post slack_post_message",
            ),
            (
                "network upload http",
                "http_post http_put webhook_send post_request send_request",
            ),
            (
                "network http",
                "http_get fetch fetch_url http_request curl wget web_fetch browser_navigate scrape_page make_request",
            ),
            ("network", "tcp_connect dns_lookup ping"),
            ("upload", "s3_put_object upload put_object create_paste"),
            (
                "other",
                "digital_asset legit_check thread_list spreadsheet_read offset_calc profile_get feedback_submit \
                 handbook_search crash_report hash_password publisher_info dashboard reshare commander shelly \
                 get_weather search add_numbers web_search execute_trade run_workflow run_tests read_graph \
                 code_review search_code zip_code system_info evaluate_model query_docs subquery_docs \
                 friend_request request_review explain_command list_commands postal_code sendoff catalog",
            ),
        ] {
            for tool in tools.split_whitespace() {
                let found = names(tool);
                if found != expected {
                    wrong.push(format!("{tool}: {found}, not {expected}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn configuration_says_what_a_tool_is_instead_of_its_words() {
        let set = |name| Categories::parse(name).unwrap();
        let configured = vec![
            ("acme_*".to_owned(), set("shell")),
            ("*_sync".to_owned(), set("upload")),
        ];
        let named = |name| Tool::named(name, &configured).categories;
        assert_eq!(named("acme_read_file"), set("shell"));
        assert_eq!(
            named("ACME_sync").names().collect::<Vec<_>>(),
            ["shell", "upload"]
        );
        assert_eq!(named("read_file"), set("filesystem"));
        assert_eq!(Categories::parse("uploads"), None);
    }

    #[test]
    fn globs_cover_the_whole_text() {
        assert!(matches("*.corp.example", "a.b.corp.example"));
        assert!(matches("a?c*", "abcd"));
        assert!(!matches("*.corp.example", "corp.example"));
        assert!(!matches("a*b", "abc"));
        assert!(matches("**", ""));
    }
}
