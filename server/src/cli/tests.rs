//! What the command line means.

use super::*;

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn the_flags_of_before_are_understood() {
    let line = "saltpeter -c /c -l /l -a -p 1 -b 0.0.0.0 -w 2 --websocket-host ::1 -e http://e -o http://o -i x";
    let options = Options::from(Cli::read(line.split(' ')).unwrap().serve);
    assert_eq!(options.config_dir, PathBuf::from("/c"));
    let flags = options.flags;
    assert_eq!(flags.logdir, Some(PathBuf::from("/l")));
    assert!(flags.api);
    assert_eq!((flags.api_port, flags.machines_port), (Some(1), Some(2)));
    assert_eq!(flags.api_addr, Some(IpAddr::from([0, 0, 0, 0])));
    assert_eq!(flags.machines_addr, "::1".parse().ok());
    assert_eq!(flags.elasticsearch.as_deref(), Some("http://e"));
    assert_eq!(flags.opensearch.as_deref(), Some("http://o"));
    assert_eq!(flags.index.as_deref(), Some("x"));
}

/// What `user` and `token` are told of where the database is.
fn place(line: &str) -> (PathBuf, Option<PathBuf>) {
    let cli = Cli::read(line.split(' ')).unwrap();
    let place = match cli.command {
        Some(Command::User(of)) => of.place.or(cli.serve),
        Some(Command::Token(of)) => of.place.or(cli.serve),
        other => panic!("{other:?}"),
    };
    (place.config_dir, place.data_dir)
}

#[test]
fn where_the_database_is_may_be_said_before_and_after_the_command() {
    let both = ("/c".into(), Some("/d".into()));
    for line in [
        "saltpeter -c /c --data-dir /d user list",
        "saltpeter user -c /c --data-dir /d list",
        "saltpeter user list -c /c --data-dir /d",
        "saltpeter -c /c token list --data-dir /d",
        "saltpeter --data-dir /other token -c /c list --data-dir /d",
    ] {
        assert_eq!(place(line), both, "{line}");
    }
    assert_eq!(place("saltpeter user list"), (CONFIG_DIR.into(), None));
}

#[test]
fn a_flag_is_refused_where_it_has_no_use() {
    let refused = |line: &str| {
        let error = Cli::read(line.split(' ')).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(MISUSED), "{line}");
        error.to_string()
    };
    for line in [
        "saltpeter --port 1 status",
        "saltpeter -c /c run a",
        "saltpeter --data-dir /d next @daily",
        "saltpeter --data-dir /d check",
        "saltpeter -a user list",
        "saltpeter -c /c import crontab -",
    ] {
        let said = refused(line);
        assert!(said.contains("has no use for --"), "{line}: {said}");
    }
    for line in [
        "saltpeter status --port 1",
        "saltpeter kill a -c /c",
        "saltpeter runs a --data-dir /d",
        "saltpeter check --data-dir /d",
        "saltpeter user list -p 1",
    ] {
        let said = refused(line);
        assert!(said.contains("unexpected argument"), "{line}: {said}");
    }
}
