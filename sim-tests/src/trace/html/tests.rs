//! What the page has of a run: each test plays a small world, and reads the picture as the page does.

use mpcsfaas_transport_sim::trace::{Kind, Line};
use mpcsfaas_transport_sim::{Place, Tampers};
use serde_json::{Value, json};

use super::{Caption, Page, Picture, render};
use crate::bugs;
use crate::run::{Case, Run};
use crate::scenario_file;

/// One dispatcher, two workers of two processes; a message takes 1 ms.
const WORLD: &str = r#"
version = 1
name = "picture"
[world]
dispatchers = 1
workers = 2
processes = 2
heal_at = "4s"
"#;

fn play(rest: &str, tampers: Tampers) -> Run {
    let text = format!("{WORLD}{rest}");
    let scenario = scenario_file::read(&text).expect("a scenario");
    let case = Case::of_plan(&scenario.plan).with(tampers);
    case.told().kept().run()
}

/// A run's picture, as the page reads it.
struct Read {
    run: Run,
    picture: Value,
}

fn picture(rest: &str) -> Read {
    let run = play(rest, Tampers::default());
    assert_eq!(run.violation, None);
    Read::of(run)
}

impl Read {
    fn of(run: Run) -> Read {
        let picture = Picture::of(&run, Caption::default());
        let picture = serde_json::to_value(picture).expect("JSON");
        Read { run, picture }
    }

    fn all(&self, what: &str) -> &[Value] {
        self.picture[what].as_array().expect("a list")
    }

    /// The lists whose word in this field begins so.
    fn called(&self, what: &str, field: usize, word: &str) -> Vec<&Value> {
        let words = self.all("words");
        let is_it = |thing: &&Value| {
            let place = thing[field].as_u64().expect("a word's place") as usize;
            words[place].as_str().is_some_and(|it| it.starts_with(word))
        };
        self.all(what).iter().filter(is_it).collect()
    }

    fn arrows(&self, word: &str) -> Vec<&Value> {
        self.called("arrows", 6, word)
    }

    fn bands(&self) -> Vec<(u64, u64, u64, &str)> {
        let number = |value: &Value| value.as_u64().expect("a number");
        let band = |band| {
            let [lane, from, until, kind, _] = five(band);
            (
                number(lane),
                number(from),
                number(until),
                kind.as_str().expect("a kind"),
            )
        };
        self.all("bands").iter().map(band).collect()
    }
}

fn five(list: &Value) -> [&Value; 5] {
    [0, 1, 2, 3, 4].map(|place| &list[place])
}

const LOST: u64 = 1;
const ROUTINE: u64 = 2;
const WAITS: u64 = 4;

fn is(arrow: &Value, flag: u64) -> bool {
    arrow[7].as_u64().is_some_and(|flags| flags & flag > 0)
}

const ONE_TASK: &str = "[[submit]]\nat = \"100ms\"\nruns = \"1s\"\n";

/// A fault of some seconds at 1 s, as a part of a file.
fn fault(node: &str, what: &str) -> String {
    format!("[[fault]]\nat = \"1s\"\nnode = \"{node}\"\nwhat = \"{what}\"\n")
}

#[test]
fn each_message_is_an_arrow_from_its_sending_to_its_arrival() {
    let read = picture(ONE_TASK);
    let told = read.run.story.iter().filter(|line| line.from.is_some());
    assert_eq!(read.all("arrows").len(), told.count());
    for arrow in read.all("arrows") {
        let took = arrow[2]
            .as_u64()
            .zip(arrow[1].as_u64())
            .map(|(at, sent)| at - sent);
        assert_eq!(took, Some(1_000), "{arrow}");
    }
    // From lane 2, the dispatcher, to lane 3 or 4, a worker; about attempt 1 at the only task.
    let [run] = read.arrows("Run 1")[..] else {
        panic!("one task is run once");
    };
    assert_eq!((&run[4], &run[8]), (&json!(2), &json!([0, 1])));
    assert!(!is(run, LOST | ROUTINE | WAITS));
}

#[test]
fn beats_timers_and_polls_that_bring_nothing_are_routine() {
    let read = picture(ONE_TASK);
    for word in ["Beat", "Renew", "Claimed 0", "Reap"] {
        let arrows = read.arrows(word);
        assert!(!arrows.is_empty(), "{word}");
        assert!(arrows.into_iter().all(|arrow| is(arrow, ROUTINE)), "{word}");
    }
    let claims = read.arrows("Claim #");
    assert!(claims.len() > 1);
    assert!(claims.iter().all(|claim| is(claim, ROUTINE)));
    let [ahead] = read.arrows("ClaimedAhead")[..] else {
        panic!("the task was claimed ahead");
    };
    assert!(!is(ahead, ROUTINE));
}

#[test]
fn what_waits_for_its_node_is_one_arrow() {
    let pause = format!("{ONE_TASK}{}for = \"1s\"\n", fault("D0", "pause"));
    let read = picture(&pause);
    let waits: Vec<_> = read
        .all("arrows")
        .iter()
        .filter(|arrow| is(arrow, WAITS))
        .collect();
    assert!(waits.len() >= 2, "{waits:?}");
    for arrow in waits {
        assert_eq!(
            arrow[3],
            json!(2_000_000),
            "it is taken in when D0 goes on: {arrow}"
        );
    }
    assert_eq!(read.arrows("Finished 1").len(), 1);
}

#[test]
fn a_lost_message_is_an_arrow_that_does_not_arrive() {
    let twist = "[[twist]]\nat = \"0s\"\non = \"down W0\"\nbend = \"lost\"\n\
                 [[twist]]\nat = \"100ms\"\non = \"request D0\"\nbend = \"lost\"\n";
    let read = picture(&format!("{ONE_TASK}{twist}"));
    let [welcome, claim] = read
        .all("arrows")
        .iter()
        .filter(|arrow| is(arrow, LOST))
        .collect::<Vec<_>>()[..]
    else {
        panic!("a message and a request are lost");
    };
    assert_eq!((&welcome[4], &welcome[5]), (&json!(2), &json!(3)));
    assert_eq!((&claim[4], &claim[5]), (&json!(2), &json!(1)));
    assert_eq!(welcome[1], welcome[2], "it never gets so far");
    let twists = read
        .all("points")
        .iter()
        .filter(|point| point[3] == "twist");
    assert_eq!(twists.count(), 2);
}

#[test]
fn a_request_to_a_store_that_is_down_is_lost() {
    let crash = format!("{ONE_TASK}{}for = \"1s\"\n", fault("S", "crash"));
    let read = picture(&crash);
    // The result comes while the store is down; what is asked of it waits until it is back.
    assert!(read.arrows("Commit 1").iter().all(|arrow| !is(arrow, LOST)));
    let down = format!(
        "{}for = \"1s\"\n{}",
        fault("S", "crash"),
        ONE_TASK.replace("100ms", "1500ms")
    );
    let submits = picture(&down);
    let lost: Vec<_> = submits
        .arrows("Submit")
        .iter()
        .map(|arrow| is(arrow, LOST))
        .collect();
    assert_eq!((lost.first(), lost.last()), (Some(&true), Some(&false)));
}

#[test]
fn a_fault_that_lasts_is_a_band_until_it_is_over() {
    let cases = [
        ("W0", "pause", "for = \"2s\"\n", ("pause", 3_000_000)),
        ("W0", "pause", "for = \"20s\"\n", ("pause", 4_000_000)),
        (
            "W1",
            "slow",
            "by = \"1ms\"\nfor = \"500ms\"\n",
            ("slow", 1_500_000),
        ),
        ("D0", "crash", "for = \"1s\"\n", ("down", 2_000_000)),
        ("D0", "store-cut", "for = \"1s\"\n", ("link", 2_000_000)),
        (
            "W0",
            "partition",
            "from = \"D0\"\nfor = \"2s\"\n",
            ("link", 3_000_000),
        ),
        ("W0", "clog", "for = \"1s\"\n", ("link", 2_000_000)),
    ];
    for (node, what, rest, (kind, until)) in cases {
        let read = picture(&format!("{}{rest}", fault(node, what)));
        let lane = match node {
            "D0" => 2,
            "W0" => 3,
            _ => 4,
        };
        assert_eq!(
            read.bands(),
            [(lane, 1_000_000, until, kind)],
            "{what} {rest}"
        );
        let points = read.called("points", 4, "").into_iter();
        let struck = points.filter(|point| point[3] == "fault").count();
        assert_eq!(struck, 1, "{what}");
    }
    assert!(
        picture(&fault("W0", "cut")).bands().is_empty(),
        "a cut is a moment"
    );
}

#[test]
fn who_left_or_crashed_for_good_is_not_there_any_more() {
    let read = picture(&format!("{}for = \"good\"\n", fault("W0", "leave")));
    let [(lane, from, until, "leaving")] = read.bands()[..] else {
        panic!("{:?}", read.bands());
    };
    assert_eq!((lane, from), (3, 1_000_000));
    let lives: Vec<_> = read
        .all("lives")
        .iter()
        .filter(|life| life[0] == 3)
        .collect();
    assert_eq!(lives, [&json!([3, 0, until])], "it ends with its leave");
    assert!(until < 1_500_000, "{until}");
    let read = picture(&format!("{}for = \"good\"\n", fault("W0", "crash")));
    let end = read.picture["until"].as_u64().expect("a time");
    assert_eq!(read.bands(), [(3, 1_000_000, end, "down")]);
}

#[test]
fn attempts_are_bars_side_by_side_with_their_ends() {
    let four = "[[submit]]\nat = \"100ms\"\nruns = \"2s\"\ncount = 4\nevery = \"1ms\"\n";
    let read = picture(&format!("{four}{}for = \"5s\"\n", fault("W0", "crash")));
    let of = |lane: u64, attempt: u64| {
        let bars = read.all("bars").iter();
        let its = bars.filter(move |bar| bar[0] == lane && bar[5] == attempt);
        its.map(|bar| (bar[1].clone(), bar[6].clone()))
            .collect::<Vec<_>>()
    };
    let rows = |end: &str| [(json!(0), json!(end)), (json!(1), json!(end))];
    assert_eq!(of(3, 1), rows("killed"));
    assert_eq!(of(4, 1), rows("ended"));
    let again = read.all("bars").iter();
    let again = again.filter(|bar| bar[5].as_u64() > Some(1) && bar[6] == "ended");
    assert_eq!(again.count(), 2, "what was lost runs again");
    assert_eq!(read.picture["lanes"][3]["rows"], 2);
    // The story has lines of children that died with W0. They are not news.
    let gone = read.called("points", 4, "child 0 replies: it is gone");
    assert!(!gone.is_empty() && gone.iter().all(|point| point[5] == true));
}

#[test]
fn tasks_that_are_submitted_together_are_told_of_each() {
    let read = picture(&format!("{ONE_TASK}{ONE_TASK}"));
    for what in ["submits 2", "Submit 2"] {
        let line = read.run.story.iter().find(|line| line.what == what);
        assert_eq!(line.expect(what).tasks.len(), 2);
    }
}

#[test]
fn a_task_has_a_name_and_its_states() {
    let read = picture(ONE_TASK);
    let id = "00000000-0000-0000-0000-000000000001";
    assert_eq!(read.picture["tasks"], json!([{ "name": "t1", "id": id }]));
    let states: Vec<_> = read
        .all("rows")
        .iter()
        .map(|row| (&row[2], &row[3]))
        .collect();
    let expected = [
        (&json!("RUNNING"), &json!(1)),
        (&json!("COMPLETED"), &json!(1)),
    ];
    assert_eq!(states, expected);
}

#[test]
fn a_broken_promise_is_marked_at_its_time_with_its_words() {
    // The worker does not hear that its connection was cut, and brings the result of attempt 1 when
    // attempt 2 runs.
    let twist = "[[twist]]\nat = \"1s\"\non = \"end-down W1\"\nbend = \"lost\"\n";
    let task = ONE_TASK.replace("1s", "3s");
    let bug = bugs::ALL
        .iter()
        .find(|bug| bug.name == "commit-without-fence");
    let tampers = bug.expect("it is planted").tampers;
    let run = play(&format!("{task}{}{twist}", fault("W1", "cut")), tampers);
    let violation = run.violation.clone().expect("P3 is broken");
    let read = Read::of(run);
    let broken = &read.picture["violation"];
    assert_eq!(broken["promise"], violation.promise);
    assert_eq!(broken["what"], violation.what.as_str());
    assert_eq!(broken["at"], violation.at.as_nanos() / 1_000);
    assert_eq!(broken["title"], "Only the current attempt commits.");
    assert!(violation.what.starts_with("t1 "), "{violation}");
    let rows = read.all("rows").iter();
    let last = rows.last().expect("what the store took in is there");
    assert_eq!((&last[2], &last[0]), (&json!("COMPLETED"), &broken["at"]));
}

/// A run with one task that ends early, and as many of its last events as this.
fn last(most: impl Fn(&Run) -> usize) -> Read {
    let run = play(ONE_TASK, Tampers::default());
    let picture = Picture::of_last(&run, Caption::default(), most(&run));
    let picture = serde_json::to_value(picture).expect("JSON");
    Read { run, picture }
}

#[test]
fn of_a_long_run_the_end_is_kept() {
    let read = last(|_| 20);
    let left_out = read.run.story.len() - 20;
    assert_eq!(read.picture["left_out"], left_out);
    let from = read.run.story[left_out].at.as_nanos() / 1_000;
    assert_eq!(read.picture["from"], from);
    assert!(read.all("arrows").len() + read.all("points").len() <= 20);
    assert_eq!(read.all("lives").len(), 5);
    // The task had ended before, and there is nothing of it.
    for what in ["bars", "rows", "tasks"] {
        assert!(read.all(what).is_empty(), "{what}");
    }
}

#[test]
fn where_the_end_begins_the_states_of_its_tasks_are_known() {
    let finished = |line: &Line| line.what.starts_with("Finished");
    let read = last(|run| {
        let before = run.story.iter().position(finished);
        run.story.len() - before.expect("it finishes")
    });
    let states: Vec<_> = read.all("rows").iter().map(|row| &row[2]).collect();
    assert_eq!(states, [&json!("RUNNING"), &json!("COMPLETED")]);
    assert_eq!(read.picture["tasks"][0]["name"], "t1");
    assert_eq!(read.arrows("Finished 1")[0][8], json!([0, 1]));
}

#[test]
fn whatever_a_run_says_is_data_in_the_page() {
    let hostile =
        "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>{{script}}\u{2028}&";
    let mut run = play(ONE_TASK, Tampers::default());
    run.story.push(Line {
        kind: Kind::Client,
        node: Place::Client,
        from: None,
        what: hostile.to_owned(),
        ..run.story[0].clone()
    });
    let caption = Caption {
        label: hostile.to_owned(),
        note: hostile.to_owned(),
        replay: hostile.to_owned(),
        scenario: Some(hostile.to_owned()),
    };
    let page = Page {
        name: hostile.to_owned(),
        facts: vec![("knobs", hostile.to_owned())],
        runs: vec![Picture::of(&run, caption)],
    };
    let html = render(&page).expect("a page");
    assert!(
        !html.contains("alert(1)</") && !html.contains("<img"),
        "it is not markup"
    );
    assert_eq!(html.matches("<script").count(), 3);
    assert_eq!(html.matches("</script>").count(), 3);
    assert_eq!(
        html.matches("\"use strict\";").count(),
        2,
        "nothing is put into the data"
    );
    let data = html
        .split_once("id=\"data\">")
        .and_then(|(_, rest)| rest.split_once("</script>"));
    let (data, _) = data.expect("data");
    let read: Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(read["name"], hostile);
    let words = read["runs"][0]["words"].as_array().expect("words");
    assert!(words.contains(&json!(hostile)));
}

#[test]
fn the_page_asks_for_nothing_but_itself() {
    let run = play(ONE_TASK, Tampers::default());
    let page = Page {
        name: "seed 1".to_owned(),
        facts: Vec::new(),
        runs: vec![Picture::of(&run, Caption::default())],
    };
    let html = render(&page).expect("a page");
    assert!(html.contains("default-src 'none'"));
    for word in ["http://", "https://", "@import", "url(", "{{"] {
        assert!(!html.contains(word), "{word}");
    }
    assert_eq!(
        render(&page).expect("a page"),
        html,
        "the same run is the same page"
    );
}
