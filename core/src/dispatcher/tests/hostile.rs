//! Peers and a store that do anything: the dispatcher stays sound, and once they are gone every
//! task ends (P1, P8, P10).

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::store::op::Report;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    Says(u64, Session, u64, ToDispatcher),
    SaysJson(Peer, json::FromWorker),
    Junk(Peer),
    Closes(Peer),
    Submit(u128, FunctionId, bool),
    Cancel(u128),
    Doorbell,
    HoldStore,
    ReleaseStore,
    LoseAnswers,
    LoseRequests,
    StoreAway,
    StoreBack,
    LeaseLost,
    Claimed,
    Wait(u64),
    StandStill(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let peers = (1..4u64, 1..5u64).prop_map(|(worker, session)| peer(worker, session));
    let function = prop_oneof![6 => Just(F), 2 => Just(G), 1 => Just(FunctionId(77))];
    prop_oneof![
        8 => (1..4u64, 1..5u64, 1..5u64, body())
            .prop_map(|(worker, session, number, body)| Event::Says(worker, session, number, body)),
        3 => (json_peer(), json_message()).prop_map(|(peer, says)| Event::SaysJson(peer, says)),
        1 => json_peer().prop_map(Event::Junk),
        1 => prop_oneof![peers, json_peer()].prop_map(Event::Closes),
        4 => (1..9u128, function, any::<bool>())
            .prop_map(|(task, function, once)| Event::Submit(task, function, once)),
        1 => (1..9u128).prop_map(Event::Cancel),
        1 => Just(Event::Doorbell),
        2 => Just(Event::HoldStore),
        2 => Just(Event::ReleaseStore),
        1 => Just(Event::LoseAnswers),
        1 => Just(Event::LoseRequests),
        1 => Just(Event::StoreAway),
        2 => Just(Event::StoreBack),
        1 => Just(Event::LeaseLost),
        1 => Just(Event::Claimed),
        4 => (1..4_000u64).prop_map(Event::Wait),
        1 => (1..9_000u64).prop_map(Event::StandStill),
    ]
}

fn body() -> impl Strategy<Value = ToDispatcher> {
    let flow = prop_oneof![Just(Flow::Pull), Just(Flow::Push)];
    let hello = (flow, 0..5u32, refs(), refs(), prop::bool::weighted(0.1)).prop_map(
        |(flow, credit, running, finished, draining)| {
            let Greeting(hello) = Greeting::push(credit).running(running).finished(finished);
            ToDispatcher::Hello(Hello {
                flow,
                draining,
                ..hello
            })
        },
    );
    let finished = refs().prop_map(|tasks| {
        let finished = tasks.into_iter().map(|task| Finished {
            task,
            outcome: outcome_of(task),
        });
        ToDispatcher::Finished(finished.collect())
    });
    prop_oneof![
        4 => hello,
        1 => (0..5u64, 0..5u32).prop_map(|(last, credit)| ToDispatcher::Beat { last, credit }),
        2 => (0..5u32).prop_map(|credit| ToDispatcher::Pull { credit }),
        2 => finished,
        1 => refs().prop_map(|tasks| ToDispatcher::Returned { tasks, missing: vec![F] }),
        1 => refs().prop_map(|returned| ToDispatcher::Goodbye { returned }),
    ]
}

fn refs() -> impl Strategy<Value = Vec<TaskRef>> {
    vec(
        (1..9u128, 1..4u32).prop_map(|(number, attempt)| task(number, attempt)),
        0..4,
    )
}

fn json_peer() -> impl Strategy<Value = Peer> {
    (0..2u8, any::<bool>()).prop_map(|(name, delimited)| Peer {
        identity: Bytes::from(format!("json-{name}-{delimited}")),
        delimited,
    })
}

fn json_message() -> impl Strategy<Value = json::FromWorker> {
    use json::FromWorker as Says;
    let name = (0..2u8).prop_map(|name| format!("worker-{name}"));
    (name, 0..6u8, 1..9u128).prop_map(|(worker_id, kind, task)| match kind {
        0 => Says::Register { worker_id },
        1 => Says::Heartbeat { worker_id },
        2..4 => Says::RequestTask { worker_id },
        _ => Says::TaskResult {
            worker_id,
            task: TaskId(task),
            status: Status::Completed,
            result: Bytes::new(),
        },
    })
}

impl TestEnv {
    fn happen(&mut self, event: Event) {
        match event {
            Event::Says(worker, session, number, body) => {
                self.say_in(worker, session, peer(worker, session), number, body);
            }
            Event::SaysJson(peer, message) => self.feed(Input::LegacyReceived { peer, message }),
            Event::Junk(peer) => self.feed(Input::JunkReceived { peer }),
            Event::Closes(peer) => self.feed(Input::PeerClosed { peer }),
            Event::Submit(task, function, at_most_once) => {
                let options = Options {
                    at_most_once,
                    ..Options::default()
                };
                self.submit_quietly(task, function, options);
            }
            Event::Cancel(task) => drop(self.at_store(Op::Cancel { task: TaskId(task) })),
            Event::Doorbell => self.feed(Input::DoorbellRang),
            Event::HoldStore if self.link == Link::Answers => self.hold_store(),
            Event::ReleaseStore if self.link == Link::Holds => self.release_store(),
            Event::LoseAnswers => {
                while !self.held.is_empty() {
                    self.lose_answer(|_| true);
                }
            }
            Event::LoseRequests => {
                while !self.held.is_empty() {
                    self.lose_request(|_| true);
                }
            }
            Event::StoreAway => {
                self.held.clear();
                self.store_goes_away();
            }
            Event::StoreBack if self.link == Link::Away => self.store_comes_back(),
            Event::HoldStore | Event::ReleaseStore | Event::StoreBack => {}
            Event::LeaseLost => {
                let late = WallTime(self.wall().0 + 60_000);
                self.store.apply(late, Op::Reap);
            }
            Event::Claimed => self.claim_behind_its_back(),
            Event::Wait(millis) => self.wait(ms(millis)),
            Event::StandStill(millis) => self.stand_still(ms(millis)),
        }
    }

    /// Another dispatcher takes a task, and dies.
    fn claim_behind_its_back(&mut self) {
        self.at_store(Op::OpenLease { incarnation: OTHER });
        let number = self.now.as_nanos();
        self.at_store(Op::Claim(Claim {
            incarnation: OTHER,
            number,
            max: 1,
            suspects: 1,
            places: 0,
            except: vec![],
        }));
    }

    /// The faults end: the store answers, and one worker does all that it is given.
    fn heal(&mut self) {
        match self.link {
            Link::Away => self.store_comes_back(),
            Link::Answers | Link::Holds => self.release_store(),
        }
        self.join(99, 4);
        for _ in 0..120 {
            let heard = self.mail.get(&self.guest(99).peer).into_iter().flatten();
            if heard
                .clone()
                .any(|message| message.body == ToWorker::SayHello)
            {
                self.hello(99, Greeting::push(4));
            }
            for task in self.given(99) {
                self.finish(99, task);
            }
            self.wait_beating(ms(500));
        }
    }

    fn report_of_the_store(&self) -> Option<Report> {
        let incarnation = self.dispatcher.incarnation();
        self.store.lease(incarnation).and_then(|lease| lease.report)
    }
}

proptest! {
    #[test]
    fn whatever_happens_every_task_ends_once_it_stops(events in vec(event(), 1..60)) {
        let mut env = TestEnv::new();
        for event in events {
            env.happen(event);
        }
        env.heal();
        for (id, row) in env.store.tasks() {
            prop_assert!(row.status.is_terminal(), "{id}: {row:?}");
        }
        prop_assert_eq!(env.dispatcher.believed().count(), 0);
        let report = env.report_of_the_store().expect("it renews its lease");
        prop_assert_eq!((report.workers, report.held, report.free), (1, 0, 4));
    }
}
