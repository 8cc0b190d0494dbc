//! A server over the lab's Salt, with a wrapper's place of its own.

use saltpeter_protocol::RunId;
use saltpeter_protocol::api::RunDetail;
use saltpeter_testkit::{Client, SaltLab, Site};
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

/// What differs from the usual settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setting {
    /// The server may not write to Salt's file root.
    NoFileRoot,
    /// Nothing is brought to machines.
    NotDistributed,
    /// Wrappers may come without TLS, as those of the earlier implementation do.
    PlainText,
    /// The wrapper's place on machines.
    WrapperAt(PathBuf),
    /// Another address of salt-api, and the file of the authority that it is known by.
    ApiAt(String, Option<PathBuf>),
    /// Another external authentication, and the file with the user's password; without one it is in the environment.
    Eauth(&'static str, Option<PathBuf>),
    /// How late a start may be, in seconds: for so long Salt is tried that cannot be reached.
    StartWindow(u32),
}

/// How long a run may take. Salt's minions start a Python for each call, which takes seconds where other work has all
/// processors; no test is about that.
const PATIENCE: Duration = Duration::from_secs(100);

/// A site, and the letters that its jobs have: wrappers of several tests share this host and its locks.
pub(crate) struct SaltSite {
    site: Site,
    own: String,
    wrapper: PathBuf,
    pub(crate) lab: SaltLab,
}

/// A server of a site.
pub(crate) struct SaltServer {
    server: saltpeter_testkit::Server,
    pub(crate) client: Client,
    /// Where it listens for wrappers.
    pub(crate) machines: SocketAddr,
    own: String,
}

/// The wrapper of this build, without what only a debugger needs: it is sent about.
pub(crate) fn wrapper() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let path = exe.ancestors().nth(2).unwrap().join("saltpeter-wrapper");
    assert!(path.is_file(), "build saltpeter-wrapper first");
    let stripped = path.with_extension("stripped");
    let changed = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    if changed(&stripped) < changed(&path) {
        let new = stripped.with_extension(format!("{}", std::process::id()));
        let done = Command::new("strip")
            .arg("-o")
            .arg(&new)
            .arg(&path)
            .status();
        assert!(done.unwrap().success());
        fs::rename(&new, &stripped).unwrap();
    }
    stripped
}

/// A site with these jobs, in whose names `~` stands for letters of its own.
pub(crate) fn site(jobs: &str, settings: &[Setting]) -> SaltSite {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let clock = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let own = format!("-{:x}-{clock:x}-{count}", std::process::id());
    let lab = SaltLab::find().unwrap();
    let site = Site::new(&[], &jobs.replace('~', &own)).unwrap();
    let kind = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    let wrappers = site.path("wrappers");
    fs::create_dir_all(wrappers.join(&kind)).unwrap();
    fs::copy(wrapper(), wrappers.join(kind).join("saltpeter-wrapper")).unwrap();
    let mut place = site.path("machines/bin/saltpeter-wrapper");
    let mut more = String::new();
    let description = lab.description();
    let mut url = description.api_url.clone();
    let mut eauth = description.api_eauth.as_str();
    let mut password_file = Some(description.api_password_file.as_path());
    if !settings.contains(&Setting::NoFileRoot) {
        let _ = writeln!(
            more,
            "  salt_file_root: {}",
            description.file_root.display()
        );
    }
    for setting in settings {
        match setting {
            Setting::NoFileRoot => {}
            Setting::NotDistributed => more += "  distribute_wrapper: false\n",
            Setting::PlainText => more += "  machines_ws_plaintext: allow\n",
            Setting::WrapperAt(path) => place.clone_from(path),
            Setting::ApiAt(other, ca) => {
                url.clone_from(other);
                if let Some(ca) = ca {
                    let _ = writeln!(more, "  salt_api_ca: {}", ca.display());
                }
            }
            Setting::StartWindow(seconds) => {
                let _ = writeln!(more, "  start_window: {seconds}");
            }
            Setting::Eauth(other, file) => {
                eauth = other;
                password_file = file.as_deref();
            }
        }
    }
    if let Some(file) = password_file {
        let _ = writeln!(more, "  salt_api_password_file: {}", file.display());
    }
    let text = format!(
        "saltpeter_config:\n  executor: salt-api\n  salt_api_url: {}\n  salt_api_user: {}\n  salt_api_eauth: {}\n  \
         default_saltpeter_server_host: 127.0.0.1\n  default_wrapper_path: {}\n  \
         default_wrapper_logdir: {}\n  wrappers_dir: {}\n{more}",
        url,
        description.api_user,
        eauth,
        place.display(),
        site.path("wrapper-logs").display(),
        wrappers.display(),
    );
    site.write("settings.yaml", &text).unwrap();
    SaltSite {
        site,
        own,
        wrapper: place,
        lab,
    }
}

impl SaltSite {
    /// Starts a server.
    pub(crate) async fn serve(&self) -> SaltServer {
        let server = self.site.serve().await.unwrap();
        SaltServer {
            client: server.client.patient(PATIENCE),
            machines: server.machines,
            server,
            own: self.own.clone(),
        }
    }

    /// Where the wrapper is on machines.
    pub(crate) fn wrapper(&self) -> &Path {
        &self.wrapper
    }

    /// `text` with this site's letters.
    pub(crate) fn own(&self, text: &str) -> String {
        text.replace('~', &self.own)
    }

    /// A path within the site.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.site.path(name)
    }

    /// Whether machines have this build's wrapper, ready to be run.
    pub(crate) fn has_wrapper(&self) -> bool {
        let mode = fs::metadata(&self.wrapper).unwrap().permissions().mode();
        mode & 0o777 == 0o755 && fs::read(&self.wrapper).unwrap() == fs::read(wrapper()).unwrap()
    }

    /// What lies beside the wrapper on machines.
    pub(crate) fn left_over(&self) -> Vec<String> {
        let entries = fs::read_dir(self.wrapper.parent().unwrap()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| *name != *self.wrapper.file_name().unwrap().to_str().unwrap())
            .collect()
    }
}

impl SaltServer {
    /// Begins a run.
    pub(crate) async fn begin(&self, job: &str) -> RunId {
        let job = job.replace('~', &self.own);
        self.client.run_now(&job).await.unwrap()
    }

    /// Waits until every machine of a run runs its command.
    pub(crate) async fn until_running(&self, run: &RunId) {
        let running = |detail: &RunDetail| {
            let counts = detail.summary.counts;
            counts.total > 0 && counts.running == counts.total
        };
        self.client.until(run, running).await.unwrap();
    }

    /// Stops it.
    pub(crate) async fn stop(self) {
        self.server.stop().await.unwrap();
    }

    /// Runs a job to its end.
    pub(crate) async fn run(&self, job: &str) -> (RunId, RunDetail) {
        let run = self.begin(job).await;
        let detail = self.client.until_over(&run).await.unwrap();
        (run, detail)
    }

    /// Ends it as by SIGKILL.
    pub(crate) async fn kill(self) {
        self.server.kill().await.unwrap();
    }
}
