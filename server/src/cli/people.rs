//! The commands about users and tokens. They work on the database, whether the server runs or not, and take effect at once.

use super::say::{complain, finish, say, say_json};
use super::{CONFIG_DIR, Serve};
use crate::audit::Trail;
use crate::boot::make_data_dir;
use crate::clock::SystemClock;
use crate::config_dir::ConfigDir;
use crate::people::{Auth, Caller, DEFAULT_DAYS, LONGEST_DAYS, NewToken, People, Token, User};
use crate::settings::{Flags, host_zone};
use crate::store::Store;
use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use saltpeter_domain::access::{Access, Groups, Role, UserName};
use saltpeter_domain::{Loader, Secret};
use saltpeter_protocol::UnixMillis;
use serde_json::{Value, json};
use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub(super) struct Rights {
    /// What it allows: viewer (look), operator (run, kill, pause) or admin
    #[arg(long, default_value = "viewer")]
    role: Role,
    /// A group of jobs that an operator sees to; may be given several times [default: all groups]
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
}

impl Rights {
    fn access(&self) -> Result<Access> {
        if self.role != Role::Operator && !self.groups.is_empty() {
            bail!(
                "--group goes with --role operator: viewers see all groups, and admins see to all"
            );
        }
        Ok(Access {
            role: self.role,
            groups: Groups::of(self.groups.iter().map(String::as_str)),
        })
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add a user; the password is asked for, or read from standard input
    #[command(after_help = "\
Examples:
  saltpeter user add ana --role admin
  pwgen 20 1 | saltpeter user add bor --role operator --group web --group db")]
    Add {
        /// Letters, digits, '.', '_', '-' and '@'
        name: UserName,
        #[command(flatten)]
        rights: Rights,
        /// Without a password: the user comes through a proxy (`auth_proxy`) alone
        #[arg(long)]
        no_password: bool,
    },
    /// List the users
    #[command(after_help = "Example:\n  saltpeter user list --json")]
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a user, and end their sessions
    #[command(after_help = "Example:\n  saltpeter user remove bor")]
    Remove {
        /// Who
        name: UserName,
    },
    /// Give a user another password, and end their sessions
    #[command(after_help = "Example:\n  saltpeter user password ana")]
    Password {
        /// Whose
        name: UserName,
    },
    /// Change what a user may do
    #[command(after_help = "Example:\n  saltpeter user role bor --role operator --group web")]
    Role {
        /// Whose
        name: UserName,
        #[command(flatten)]
        rights: Rights,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Add a token for a program, and print it: it is shown this once
    #[command(after_help = "\
Example:
  saltpeter token add deploy --role operator --group web --days 365

Programs send it as `Authorization: Bearer TOKEN`.")]
    Add {
        /// What uses it: letters, digits, '.', '_' and '-'
        name: String,
        #[command(flatten)]
        rights: Rights,
        /// For how many days it is good
        #[arg(long, value_name = "N", default_value_t = DEFAULT_DAYS, value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_DAYS)))]
        days: u32,
    },
    /// List the tokens; they themselves are not kept
    #[command(after_help = "Example:\n  saltpeter token list --json")]
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a token: what uses it is refused from now on
    #[command(after_help = "Example:\n  saltpeter token remove deploy")]
    Remove {
        /// Which
        name: String,
    },
}

/// A command, and the server whose database it works on.
#[derive(Debug, clap::Args)]
pub(super) struct OfServer<C: Subcommand> {
    #[command(flatten)]
    pub(super) place: Said,
    #[command(subcommand)]
    pub(super) command: C,
}

/// Where flags stand in a command's help that others have too.
const AFTER_ITS_OWN: usize = 90;

/// What is said of where the database is.
#[derive(Debug, clap::Args)]
pub(super) struct Said {
    /// Directory of the server's job files, which may say where the database is [default: /etc/saltpeter]
    #[arg(
        short = 'c',
        long = "configdir",
        value_name = "DIR",
        global = true,
        display_order = AFTER_ITS_OWN
    )]
    config_dir: Option<PathBuf>,
    /// Directory of the database [default: as the job files say, else /var/lib/saltpeter for root, else ~/.local/share/saltpeter]
    #[arg(long, value_name = "DIR", global = true, display_order = AFTER_ITS_OWN)]
    data_dir: Option<PathBuf>,
}

impl Said {
    /// With what stood before the command.
    pub(super) fn or(self, before: Serve) -> Place {
        let config_dir = self.config_dir.or(before.config_dir);
        Place {
            config_dir: config_dir.unwrap_or_else(|| CONFIG_DIR.into()),
            data_dir: self.data_dir.or(before.data_dir),
        }
    }
}

/// Where the database is to be found.
pub(super) struct Place {
    pub(super) config_dir: PathBuf,
    pub(super) data_dir: Option<PathBuf>,
}

impl Place {
    fn data_dir(&self) -> Result<PathBuf> {
        if let Some(dir) = &self.data_dir {
            return Ok(dir.clone());
        }
        let shown = self.config_dir.display();
        let changes = ConfigDir::new(&self.config_dir).changes().with_context(|| {
            format!("cannot read the configuration directory {shown}, which says where the database is; name it with --configdir, or the data directory with --data-dir")
        })?;
        let loaded = Loader::new(host_zone()).apply(changes, UnixMillis(0));
        let settings = Flags::default().over(&loaded.settings);
        Ok(PathBuf::from(settings.data_dir.unwrap_or_default()))
    }
}

pub(super) fn user(place: &Place, command: UserCommand) -> ExitCode {
    let database = match command {
        UserCommand::Add { .. } => Database::MadeIfAbsent,
        _ => Database::There,
    };
    finish(with_people(place, database, async |people| {
        let console = Caller::console();
        match command {
            UserCommand::Add {
                name,
                rights,
                no_password,
            } => {
                let access = rights.access()?;
                let password = if no_password {
                    None
                } else {
                    Some(new_password(&name)?)
                };
                people
                    .add_user(&console, name.clone(), access.clone(), password)
                    .await?;
                say(format_args!("added {name}, {access}\n"))?;
            }
            UserCommand::List { json } => {
                let users = people.users(&console).await?;
                print_list(json, &users, user_json, user_line)?;
            }
            UserCommand::Remove { name } => {
                people.remove_user(&console, &name).await?;
                say(format_args!(
                    "removed {name}; tokens that {name} made stay good, see `saltpeter token list`\n"
                ))?;
            }
            UserCommand::Password { name } => {
                let password = new_password(&name)?;
                people.set_password(&console, &name, password).await?;
                say(format_args!(
                    "changed the password of {name}; their sessions have ended\n"
                ))?;
            }
            UserCommand::Role { name, rights } => {
                let access = rights.access()?;
                people.set_access(&console, &name, access.clone()).await?;
                say(format_args!("{name} may now act as {access}\n"))?;
            }
        }
        Ok(())
    }))
}

pub(super) fn token(place: &Place, command: TokenCommand) -> ExitCode {
    let database = match command {
        TokenCommand::Add { .. } => Database::MadeIfAbsent,
        _ => Database::There,
    };
    finish(with_people(place, database, async |people| {
        let console = Caller::console();
        match command {
            TokenCommand::Add { name, rights, days } => {
                let access = rights.access()?;
                let wanted = NewToken { name, access, days };
                let token = people.add_token(&console, wanted).await?;
                say(format_args!("{}\n", token.expose()))?;
            }
            TokenCommand::List { json } => {
                let tokens = people.tokens(&console).await?;
                print_list(json, &tokens, token_json, token_line)?;
            }
            TokenCommand::Remove { name } => {
                people.remove_token(&console, &name).await?;
                say(format_args!("removed {name}\n"))?;
            }
        }
        Ok(())
    }))
}

/// Whether a command needs the database to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Database {
    /// It works on what is in it.
    There,
    /// It may come before the server's first start.
    MadeIfAbsent,
}

fn with_people(
    place: &Place,
    database: Database,
    work: impl AsyncFnOnce(People) -> Result<()>,
) -> Result<()> {
    let data_dir = place.data_dir()?;
    let file = data_dir.join("saltpeter.db");
    let shown = data_dir.display();
    if !file
        .try_exists()
        .with_context(|| format!("cannot look into the data directory {shown}"))?
    {
        if database == Database::There {
            bail!(
                "there is no database in {shown}; name the data directory of the server with --data-dir, or its configuration with --configdir"
            );
        }
        complain(format_args!(
            "{shown} has no database yet: it is made, for a server that is started with this data directory"
        ));
    }
    make_data_dir(&data_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let store = Store::open(&file).await?;
        let done = work(people(&store)).await;
        store.close().await;
        done
    })
}

fn people(store: &Store) -> People {
    let clock = Arc::new(SystemClock);
    let trail = Trail::new(store.clone(), clock.clone());
    let store = Arc::new(store.clone());
    People::new(Auth::Required, store, Arc::new(trail), clock)
}

/// Asks for a password twice, or reads the first line of what is piped in.
fn new_password(name: &UserName) -> Result<Secret> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let mut line = String::new();
        stdin.lock().read_line(&mut line)?;
        let password = line.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            bail!("there is no password on standard input");
        }
        return Ok(Secret::new(password));
    }
    let once = rpassword::prompt_password(format!("Password for {name}: "))?;
    let again = rpassword::prompt_password("The same once more: ")?;
    if once != again {
        bail!("the two passwords are not the same; nothing was changed");
    }
    Ok(Secret::new(once))
}

fn print_list<T>(
    json: bool,
    rows: &[T],
    to_json: impl Fn(&T) -> Value,
    to_line: impl Fn(&T) -> String,
) -> Result<()> {
    if json {
        let rows: Vec<Value> = rows.iter().map(to_json).collect();
        say_json(&rows)
    } else {
        say(rows
            .iter()
            .map(|row| to_line(row) + "\n")
            .collect::<String>())
    }
}

fn user_line(user: &User) -> String {
    let password = match (&user.identity, &user.password) {
        (Some(_), _) => "from the provider of `oidc`",
        (None, Some(_)) => "with a password",
        (None, None) => "without a password",
    };
    format!("{}: {}, {password}", user.name, user.access)
}

fn user_json(user: &User) -> Value {
    json!({
        "name": user.name.as_str(),
        "role": user.access.role,
        "groups": groups_json(&user.access),
        "password": user.password.is_some(),
        "provider": user.identity.as_ref().map(|identity| &identity.issuer),
        "created": date(user.created),
        "created_by": user.created_by,
    })
}

fn token_line(token: &Token) -> String {
    let (name, access, expires) = (&token.name, &token.access, date(token.expires));
    let seen = token.seen.map_or("never used".to_owned(), |seen| {
        format!("last used {}", date(seen))
    });
    format!(
        "{name}: {access}, expires {expires}, {seen}, made by {}",
        token.created_by
    )
}

fn token_json(token: &Token) -> Value {
    json!({
        "name": token.name,
        "role": token.access.role,
        "groups": groups_json(&token.access),
        "created": date(token.created),
        "created_by": token.created_by,
        "expires": date(token.expires),
        "last_used": token.seen.map(date),
    })
}

/// `null` stands for all groups.
fn groups_json(access: &Access) -> Value {
    match &access.groups {
        Groups::All => Value::Null,
        Groups::Only(names) => json!(names),
    }
}

fn date(at: UnixMillis) -> String {
    chrono::DateTime::from_timestamp_millis(at.0)
        .map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
        .unwrap_or_default()
}
