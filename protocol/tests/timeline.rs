//! What programs read of the timeline, byte for byte.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use saltpeter_protocol::api::{Band, Bar, Held, Lane, LaneBy, OutcomeKind, Timeline};
use saltpeter_protocol::{MachineId, RunId, UnixMillis};

const GOLDEN: &str = include_str!("golden/api/timeline.json");

fn band(held: Held, to: Option<i64>, by: Option<&str>, reason: Option<&str>) -> Band {
    Band {
        held,
        from: UnixMillis(1_762_250_400_000),
        to: to.map(UnixMillis),
        by: by.map(str::to_owned),
        reason: reason.map(str::to_owned),
    }
}

fn timeline() -> Timeline {
    Timeline {
        from: UnixMillis(1_762_248_600_000),
        to: UnixMillis(1_762_252_200_000),
        now: UnixMillis(1_762_250_400_000),
        lanes: vec![
            Lane {
                name: "backup".to_owned(),
                bars: vec![Bar {
                    from: UnixMillis(1_762_248_600_000),
                    to: UnixMillis(1_762_248_660_000),
                    outcome: OutcomeKind::Failed,
                    runs: 2,
                    run: RunId::new("backup_1762248600").unwrap(),
                }],
                due: vec![UnixMillis(1_762_252_199_000)],
                group: Some("db".to_owned()),
                maintenance: true,
            },
            Lane {
                name: "gone".to_owned(),
                bars: Vec::new(),
                due: Vec::new(),
                group: None,
                maintenance: false,
            },
        ],
        more: false,
        cut: false,
        maintenance: vec![
            band(
                Held::Everything,
                Some(1_762_250_460_000),
                Some("ana"),
                Some("kernel rollout"),
            ),
            band(Held::Group("db".to_owned()), None, None, None),
            band(
                Held::Machine(MachineId::new("web1").unwrap()),
                Some(1_762_250_460_000),
                Some("token ci"),
                None,
            ),
        ],
    }
}

#[test]
fn it_is_on_the_wire_as_the_file_says_and_read_back() {
    let timeline = timeline();
    let written = serde_json::to_string_pretty(&timeline).unwrap();
    assert_eq!(written, GOLDEN.trim_end());
    let back: Timeline = serde_json::from_str(GOLDEN).unwrap();
    assert_eq!(back, timeline);
}

#[test]
fn a_lane_is_under_maintenance_of_its_group_or_of_its_machine() {
    let timeline = timeline();
    let [backup, gone] = &timeline.lanes[..] else {
        panic!("two lanes");
    };
    let web1 = || Held::Machine(MachineId::new("web1").unwrap());
    let machine = Lane {
        name: "web1".to_owned(),
        ..gone.clone()
    };
    for (lane, held, by, is_under) in [
        (gone, Held::Everything, LaneBy::Job, true),
        (backup, Held::Group("db".to_owned()), LaneBy::Job, true),
        (backup, Held::Group("web".to_owned()), LaneBy::Job, false),
        (gone, Held::Group("db".to_owned()), LaneBy::Job, false),
        (&machine, web1(), LaneBy::Machine, true),
        // A job that is called like a machine.
        (&machine, web1(), LaneBy::Job, false),
        (gone, web1(), LaneBy::Machine, false),
    ] {
        assert_eq!(lane.is_under(&held, by), is_under, "{lane:?} {held:?}");
    }
}
