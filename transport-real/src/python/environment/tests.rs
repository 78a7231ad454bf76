//! Fake interpreters, which are shell scripts, show what a real one does on a broken system.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::*;

/// A system with one directory on its search path.
struct System {
    root: PathBuf,
    progress: Mutex<String>,
}

/// What the `python3` of a system can do.
#[derive(Clone, Copy)]
struct Abilities {
    minor: u32,
    dill: bool,
    requests: bool,
    venv: bool,
    pip: bool,
}

const ALL_BUT_DILL: Abilities = Abilities {
    minor: 11,
    dill: false,
    requests: false,
    venv: true,
    pip: true,
};

impl System {
    fn empty() -> System {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mpcsfaas-environment-{}-{count}", std::process::id());
        let root = std::env::temp_dir().join(name);
        std::fs::create_dir_all(root.join("bin")).expect("a temporary directory");
        System {
            root,
            progress: Mutex::default(),
        }
    }

    fn with(abilities: Abilities) -> System {
        let system = System::empty();
        system.install("python3", abilities);
        system
    }

    /// The script counts what it is asked for in a file `log`. An environment that it makes holds
    /// a script which has dill once its pip has run.
    fn install(&self, name: &str, abilities: Abilities) {
        let root = self.root.display();
        let answer = |executable: &str, dill: bool, requests: bool| {
            let dill = if dill { "\"0.3.9\"" } else { "null" };
            format!(
                r#"{{"version":[3,{},7],"executable":"{executable}","dill":{dill},"problem":"No module","requests":{requests}}}"#,
                abilities.minor
            )
        };
        let or_fail = |able: bool, what: &str| {
            let failure = format!("echo {what} is broken; exit 1");
            if able { String::new() } else { failure }
        };
        let inner = format!(
            "#!/bin/sh\n\
             if [ $1 = -c ]; then [ -f $0.dill ] && echo '{}' || echo '{}'; exit; fi\n\
             echo $2 $3 >> {root}/log; {}\ntouch $0.dill\n",
            answer("inner", true, true),
            answer("inner", false, abilities.requests),
            or_fail(abilities.pip, "pip"),
        );
        let outer = format!(
            "#!/bin/sh\n\
             if [ $1 = -c ]; then echo a start-up file prints this; echo '{}'; exit; fi\n\
             echo $2 >> {root}/log; {}\nmkdir -p $5/bin; rm -f $5/bin/*\n\
             cp {root}/inner $5/bin/python\n",
            answer(
                &format!("{root}/bin/{name}"),
                abilities.dill,
                abilities.requests
            ),
            or_fail(abilities.venv, "venv"),
        );
        self.script("inner", &inner);
        self.script(&format!("bin/{name}"), &outer);
    }

    /// Written by another program: a file that this process has open for writing cannot be
    /// executed, and a test in another thread might just then start a process that inherits it.
    fn script(&self, name: &str, text: &str) {
        let write = r#"printf '%s\n' "$1" > "$0"; chmod +x "$0""#;
        let mut shell = std::process::Command::new("sh");
        let status = shell
            .args(["-c", write])
            .arg(self.root.join(name))
            .arg(text)
            .status();
        assert!(status.is_ok_and(|status| status.success()));
    }

    fn environment(&self) -> PathBuf {
        self.root.join(format!(
            "data/python-3.11-dill-{DILL_VERSION}-requests-{REQUESTS_VERSION}"
        ))
    }

    async fn ensure(&self) -> Result<PathBuf, EnvironmentError> {
        let search_path = self.root.join("bin");
        ensure_from(search_path.as_os_str(), &self.root.join("data"), |line| {
            let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.push_str(line);
        })
        .await
    }

    async fn error(&self) -> String {
        self.ensure().await.expect_err("no Python").to_string()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.root.join("log")).unwrap_or_default()
    }

    fn progress(&self) -> String {
        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

#[tokio::test]
async fn the_environment_is_made_once() {
    let system = System::with(ALL_BUT_DILL);
    let python = system.environment().join("bin/python");
    assert_eq!(system.ensure().await.expect("made"), python);
    assert_eq!(system.ensure().await.expect("kept"), python);
    assert_eq!(system.log(), "venv\npip install\n");
    assert_eq!(system.progress().matches("(once)").count(), 1);
    let versions = check(&python).await.expect("a Python with dill");
    assert_eq!(versions.python.as_deref(), Some("3.11.7"));
}

#[tokio::test]
async fn workers_that_start_together_make_it_once() {
    let system = System::with(ALL_BUT_DILL);
    let all = tokio::join!(system.ensure(), system.ensure(), system.ensure());
    assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok());
    assert_eq!(system.log(), "venv\npip install\n");
    assert!(
        system.progress().contains("waiting"),
        "{}",
        system.progress()
    );
}

#[tokio::test]
async fn a_half_made_or_broken_environment_is_made_anew() {
    let system = System::with(ALL_BUT_DILL);
    system.ensure().await.expect("made");
    std::fs::remove_file(system.environment().join(READY_FILE)).expect("it was there");
    system.ensure().await.expect("made again");
    std::fs::remove_file(system.environment().join("bin/python.dill")).expect("it was there");
    system.ensure().await.expect("and again");
    assert_eq!(system.log(), "venv\npip install\n".repeat(3));
}

#[tokio::test]
async fn what_cannot_be_made_is_explained() {
    let no_venv = Abilities {
        venv: false,
        ..ALL_BUT_DILL
    };
    let error = System::with(no_venv).error().await;
    assert!(
        error.contains("venv is broken") && error.contains(install_hint()),
        "{error}"
    );

    let no_pip = Abilities {
        pip: false,
        ..ALL_BUT_DILL
    };
    let error = System::with(no_pip).error().await;
    assert!(
        error.contains("pip is broken") && error.contains("network"),
        "{error}"
    );

    let error = System::empty().error().await;
    assert!(
        error.starts_with("no Python 3.9 or newer on PATH; install it ("),
        "{error}"
    );

    let old = Abilities {
        minor: 8,
        ..ALL_BUT_DILL
    };
    let error = System::with(old).error().await;
    assert!(error.contains("python3 3.8)"), "{error}");
}

#[tokio::test]
async fn the_systems_own_dill_will_do_if_need_be() {
    let able = Abilities {
        dill: true,
        pip: false,
        ..ALL_BUT_DILL
    };
    let system = System::with(able);
    let python = system.ensure().await.expect("a Python with dill");
    assert_eq!(python, system.root.join("bin/python3"));
    let progress = system.progress();
    assert!(
        progress.contains("pip is broken") && progress.contains("instead"),
        "{progress}"
    );
}

#[tokio::test]
async fn an_old_or_broken_python_hides_no_better_one() {
    let old = Abilities {
        minor: 8,
        ..ALL_BUT_DILL
    };
    let system = System::with(old);
    system.script("bin/python", "#!/bin/sh\necho not installed; exit 127\n");
    system.install("python3.11", ALL_BUT_DILL);
    system.ensure().await.expect("the better one");
}

#[tokio::test]
async fn a_python_that_the_user_names_is_checked() {
    let system = System::with(ALL_BUT_DILL);
    let python = system.root.join("bin/python3");
    let error = check(&python)
        .await
        .expect_err("it has no dill")
        .to_string();
    assert!(error.contains("python3 -m pip install dill"), "{error}");
    system.script("bin/other", "#!/bin/sh\necho I am no Python; exit 1\n");
    let error = check(&system.root.join("bin/other")).await;
    let error = error.expect_err("it is no Python").to_string();
    assert!(
        error.contains("is no working Python 3: I am no Python"),
        "{error}"
    );
    let error = check(&system.root.join("bin/none")).await;
    assert!(matches!(error, Err(EnvironmentError::CannotRun { .. })));
}

#[tokio::test]
async fn a_python_that_runs_functions_may_not_do_for_the_client() {
    let with = |requests| Abilities {
        dill: true,
        requests,
        ..ALL_BUT_DILL
    };
    let system = System::with(with(false));
    let python = system.root.join("bin/python3");
    check(&python).await.expect("a worker needs dill only");
    let error = check_client(&python).await.expect_err("it has no requests");
    let error = error.to_string();
    assert!(error.contains("python3 -m pip install requests"), "{error}");
    let system = System::with(with(true));
    let both = check_client(&system.root.join("bin/python3")).await;
    both.expect("a Python with dill and requests");
}

#[test]
fn the_hint_names_the_systems_own_packages() {
    let cases = [
        ("ID=debian\n", "apt install python3 python3-venv"),
        (
            "NAME=x\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
            "apt install python3 python3-venv",
        ),
        (
            "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
            "dnf install python3",
        ),
        ("ID=alpine\n", "apk add python3"),
        ("", "from your system's packages or python.org"),
    ];
    for (os_release, hint) in cases {
        assert_eq!(hint_for(os_release), hint);
    }
}
