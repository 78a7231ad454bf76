//! The scripts, each put together from its own file and the parts that it shares with others.

use std::sync::LazyLock;

use redis::Script;

macro_rules! scripts {
    ($($name:ident: $($part:literal)+;)+) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!($(include_str!(concat!("scripts/", $part, ".lua")), "\n"),+))
        });)+

        /// All of them, to be loaded when a connection is made.
        pub(super) static ALL: &[&LazyLock<Script>] = &[$(&$name),+];
    };
}

scripts! {
    SUBMIT: "prelude" "values" "ahead" "submit";
    OPEN_LEASE: "prelude" "close" "open_lease";
    CLAIM: "prelude" "values" "endings" "close" "claim";
    COMMIT: "prelude" "values" "endings" "commit";
    REQUEUE: "prelude" "values" "endings" "give_back" "requeue";
    ADOPT: "prelude" "values" "close" "adopt";
    RENEW: "prelude" "values" "close" "renew";
    REAP: "prelude" "values" "endings" "give_back" "close" "reap";
    RELEASE: "prelude" "values" "endings" "give_back" "close" "release";
    CANCEL: "prelude" "values" "endings" "cancel";
    READ: "prelude" "read";
    INSPECT: "prelude" "inspect";
    OVERVIEW: "prelude" "overview";
}
