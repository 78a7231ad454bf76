//! A dispatcher and children that do anything: the worker stays sound, and once they behave it
//! delivers what it holds and asks for more, or leaves (P6, P7, P8).

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    Welcome,
    SayHello,
    Function(FunctionId),
    Run(u128, u32, FunctionId, u64, bool),
    Ack(u128, u32),
    Drop(u128, u32),
    Drain,
    Beat,
    Lost,
    Stale(u64),
    Closes,
    Ready(SlotId),
    Replies(SlotId),
    Exits(SlotId),
    GivesBack(SlotId, bool),
    Wait(u64),
    Leave,
}

fn event() -> impl Strategy<Value = Event> {
    let function = || prop_oneof![Just(F), Just(G)];
    let slot = || 0..2 as SlotId;
    prop_oneof![
        4 => Just(Event::Welcome),
        1 => Just(Event::SayHello),
        3 => function().prop_map(Event::Function),
        6 => (1..9u128, 1..3u32, function(), 0..3_000u64, any::<bool>()).prop_map(
            |(task, attempt, function, limit, once)| Event::Run(task, attempt, function, limit, once)
        ),
        3 => (1..9u128, 1..3u32).prop_map(|(task, attempt)| Event::Ack(task, attempt)),
        2 => (1..9u128, 1..3u32).prop_map(|(task, attempt)| Event::Drop(task, attempt)),
        1 => Just(Event::Drain),
        2 => Just(Event::Beat),
        1 => Just(Event::Lost),
        1 => (0..4u64).prop_map(Event::Stale),
        1 => Just(Event::Closes),
        4 => slot().prop_map(Event::Ready),
        4 => slot().prop_map(Event::Replies),
        3 => slot().prop_map(Event::Exits),
        4 => (slot(), any::<bool>()).prop_map(|(slot, begun)| Event::GivesBack(slot, begun)),
        4 => (1..4_000u64).prop_map(Event::Wait),
        1 => Just(Event::Leave),
    ]
}

/// What the driver knows of its children.
#[derive(Default)]
struct Children([Child; 2]);

#[derive(Default)]
struct Child {
    lives: bool,
    /// What it was given and has not answered.
    given: VecDeque<TaskRef>,
    /// Whether it was asked for what it has not begun.
    is_asked: bool,
}

impl Children {
    fn obey(&mut self, orders: impl Iterator<Item = ChildOrder>) {
        for order in orders {
            match order {
                ChildOrder::Spawn { slot } => {
                    self.0[slot as usize] = Child {
                        lives: true,
                        ..Child::default()
                    }
                }
                ChildOrder::Execute {
                    slot,
                    task,
                    attempt,
                    ..
                } => {
                    let child = &mut self.0[slot as usize];
                    child.given.push_back(TaskRef { task, attempt });
                }
                ChildOrder::Recall { slot } => self.0[slot as usize].is_asked = true,
                ChildOrder::Terminate { .. } | ChildOrder::Kill { .. } => {}
            }
        }
    }
}

impl TestEnv {
    fn happen(&mut self, children: &mut Children, event: Event) {
        let task = |task, attempt| TaskRef {
            task: TaskId(task),
            attempt,
        };
        match event {
            Event::Welcome => self.welcome(),
            Event::SayHello => self.tell(ToWorker::SayHello),
            Event::Function(id) => self.tell(ToWorker::Function {
                id,
                function: function(),
            }),
            Event::Run(number, attempt, function, limit, at_most_once) => {
                // More than the credit is the dispatcher's breach, which `check` tells of.
                if self.worker.held() < self.worker.ceiling as usize {
                    let options = Options {
                        timeout_ms: (limit % 2 == 0).then_some(limit),
                        at_most_once,
                    };
                    self.run(function, &[task(number, attempt)], options);
                }
            }
            Event::Ack(number, attempt) => self.ack(&[task(number, attempt)]),
            Event::Drop(number, attempt) => self.drop(&[task(number, attempt)]),
            Event::Drain => self.tell(ToWorker::Drain),
            Event::Beat => self.beat(),
            Event::Lost => self.tell_into_the_void(),
            Event::Stale(number) => {
                let number = number.min(self.told);
                self.tell_in(self.worker.session(), number, ToWorker::Drain);
            }
            Event::Closes => self.close(),
            Event::Ready(slot) if self.lives(children, slot) => self.ready(slot),
            Event::Replies(slot) => {
                let child = &mut children.0[slot as usize];
                if child.lives
                    && let Some(task) = child.given.pop_front()
                {
                    self.reply(task);
                }
            }
            Event::GivesBack(slot, begun) => {
                let child = &mut children.0[slot as usize];
                if child.lives && std::mem::take(&mut child.is_asked) {
                    let from = usize::from(begun).min(child.given.len());
                    let tasks: Vec<TaskRef> = child.given.drain(from..).collect();
                    self.recalled(slot, &tasks);
                }
            }
            Event::Exits(slot) if self.lives(children, slot) => {
                let begun = children.0[slot as usize].given.front().copied();
                children.0[slot as usize] = Child::default();
                self.exited_with(slot, (Some(1), None), begun.into_iter().collect());
            }
            Event::Ready(_) | Event::Exits(_) => {}
            Event::Wait(millis) => self.wait(ms(millis)),
            Event::Leave => self.leave(),
        }
        let orders: Vec<ChildOrder> = self.orders.drain(..).collect();
        children.obey(orders.into_iter());
    }

    fn lives(&self, children: &Children, slot: SlotId) -> bool {
        children.0[slot as usize].lives
    }

    /// From now on the dispatcher and the children do as they should.
    fn heal(&mut self, children: &mut Children) {
        for slot in 0..2 {
            if self.lives(children, slot) {
                self.happen(children, Event::Exits(slot));
            }
        }
        for _ in 0..200 {
            if self.exits > 0 {
                return;
            }
            let results = self.results();
            if self.worker.link == Link::Greeting {
                self.welcome();
            }
            if !results.is_empty() {
                let tasks: Vec<TaskRef> = results.iter().map(|result| result.task).collect();
                self.ack(&tasks);
            }
            for slot in 0..2 {
                self.happen(children, Event::Ready(slot));
                self.happen(children, Event::GivesBack(slot, true));
                self.happen(children, Event::Replies(slot));
            }
            self.beat();
            self.wait(ms(500));
            let orders: Vec<ChildOrder> = self.orders.drain(..).collect();
            for order in orders {
                if let ChildOrder::Terminate { slot } = order {
                    self.happen(children, Event::Exits(slot));
                } else {
                    children.obey(std::iter::once(order));
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_worker_delivers_and_goes_on_or_leaves(
        pull in any::<bool>(),
        ample in any::<bool>(),
        events in vec(event(), 1..80),
    ) {
        let flow = if pull { Flow::Pull } else { Flow::Push };
        let mut env = TestEnv::starting(2, flow);
        if ample {
            env.worker.config.pipe = secs(5);
        }
        let mut children = Children::default();
        children.obey(std::mem::take(&mut env.orders).into_iter());
        for event in events {
            env.happen(&mut children, event);
        }
        env.heal(&mut children);
        if env.worker.is_draining() {
            prop_assert_eq!(env.exits, 1, "{:?}", env.worker);
            return Ok(());
        }
        prop_assert!(env.worker.is_welcome());
        prop_assert_eq!(env.worker.held(), 0, "{:?}", env.worker);
        prop_assert!(env.worker.credit() >= 2);
        prop_assert_eq!(env.worker.pull_sent, pull);
    }
}
