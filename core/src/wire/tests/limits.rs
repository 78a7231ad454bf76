//! Sizes: what must fit does, and what a peer announces costs nothing (P13).

use super::*;
use crate::mime_base64::encode_mime;
use crate::timing::{
    BATCH_BYTES, BATCH_ITEMS, FRAME_LIMIT, JSON_FRAME_LIMIT, OUTPUT_LIMIT, PAYLOAD_LIMIT,
};
use crate::wire::native::{DecodeError, VERSION, decode, encode};
use crate::wire::{Arrival, ArrivalError, decode_arrival, json};

/// The longest names that any id can have on the wire.
const WIDE: TaskRef = TaskRef {
    task: TaskId(u128::MAX),
    attempt: u32::MAX,
};

fn says(body: ToDispatcher) -> FromWorker {
    FromWorker {
        worker: WorkerId(u64::MAX),
        session: u64::MAX,
        number: u64::MAX,
        body,
    }
}

fn told(body: ToWorker) -> FromDispatcher {
    FromDispatcher {
        session: u64::MAX,
        number: u64::MAX,
        body,
    }
}

fn fits(bytes: &[u8]) -> bool {
    bytes.len() <= FRAME_LIMIT
}

#[test]
fn the_largest_result_fits_a_frame_and_arrives() {
    let outcome = Outcome {
        result: Ok(Bytes::from(vec![7; PAYLOAD_LIMIT])),
        output: Bytes::from(vec![7; OUTPUT_LIMIT]),
    };
    let finished = Finished {
        task: WIDE,
        outcome: outcome.limited(),
    };
    let message = says(ToDispatcher::Finished(vec![finished]));
    let bytes = encode(&message);
    assert!(fits(&bytes), "{}", bytes.len());
    assert_eq!(decode(&bytes), Ok(message));
}

#[test]
fn the_largest_task_and_the_largest_function_fit_a_frame_and_arrive() {
    let payload = Bytes::from(vec![7; PAYLOAD_LIMIT]);
    let options = Options {
        timeout_ms: Some(u64::MAX),
        at_most_once: true,
    };
    let run = Run {
        task: WIDE,
        function: FunctionId(u128::MAX),
        params: payload.clone(),
        options,
    };
    let function = Arc::new(Function {
        name: "x".repeat(60_000),
        body: payload,
        options,
        pickled_by: Versions::default(),
    });
    let id = FunctionId(u128::MAX);
    for body in [
        ToWorker::Run(vec![run]),
        ToWorker::Function { id, function },
    ] {
        let message = told(body);
        let bytes = encode(&message);
        assert!(fits(&bytes), "{}", bytes.len());
        assert_eq!(decode(&bytes), Ok(message));
    }
}

#[test]
fn a_full_batch_fits_a_frame_even_after_its_largest_last_item() {
    let small = Bytes::from(vec![7; BATCH_BYTES / BATCH_ITEMS]);
    let run = |params: Bytes| Run {
        task: WIDE,
        function: FunctionId(u128::MAX),
        params,
        options: Options::default(),
    };
    let message = told(ToWorker::Run(vec![run(small); BATCH_ITEMS]));
    assert!(fits(&encode(&message)));
}

#[test]
fn a_message_over_the_frame_is_refused() {
    let params = Bytes::from(vec![7; FRAME_LIMIT]);
    let message = told(ToWorker::Run(vec![Run {
        task: WIDE,
        function: FunctionId(1),
        params,
        options: Options::default(),
    }]));
    let refused = decode::<FromDispatcher>(&encode(&message));
    assert!(matches!(refused, Err(DecodeError::Malformed(_))));
}

#[test]
fn the_largest_result_of_the_originals_workers_arrives_and_so_does_one_a_little_over_the_limit() {
    for bytes in [PAYLOAD_LIMIT, PAYLOAD_LIMIT + 1] {
        let message = serde_json::json!({
            "type": "task_result",
            "worker_id": "a",
            "task_id": TaskId(1).to_string(),
            "status": "COMPLETED",
            "result": encode_mime(&vec![7; bytes]),
        });
        let arrived = decode_arrival(message.to_string().as_bytes());
        let Ok(Arrival::Legacy(json::FromWorker::TaskResult { result, .. })) = arrived else {
            panic!("{:?}", arrived.err())
        };
        assert_eq!(result.len(), bytes);
    }
}

#[test]
fn bytes_over_the_limit_of_their_format_are_no_message() {
    for (first, limit) in [(VERSION, FRAME_LIMIT), (b'{', JSON_FRAME_LIMIT)] {
        let mut bytes = vec![0; limit + 1];
        bytes[0] = first;
        let refused = decode_arrival(&bytes);
        assert_eq!(refused, Err(ArrivalError::TooLarge(limit + 1)));
    }
}

/// bincode writes 253 and eight bytes for a length of more than 32 bits.
fn length(length: u64) -> impl Iterator<Item = u8> {
    std::iter::once(253).chain(length.to_le_bytes())
}

#[test]
fn a_huge_length_is_refused_before_anything_is_allocated() {
    for announced in [1 << 24, 1 << 32, 1 << 48, 1 << 62, u64::MAX] {
        // worker, session, number, then a body whose list or bytes are said to be that long.
        let lists = [vec![3], vec![5], vec![4]];
        let result = vec![3, 1, 1, 1, 0];
        for body in lists.into_iter().chain([result]) {
            let bytes: Vec<u8> = [VERSION, 1, 1, 1]
                .into_iter()
                .chain(body)
                .chain(length(announced))
                .collect();
            let refused = decode::<FromWorker>(&bytes);
            assert!(
                matches!(refused, Err(DecodeError::Malformed(_))),
                "{refused:?}"
            );
        }
    }
}
