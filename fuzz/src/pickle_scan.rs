//! `pickle_scan`: what is read of a pickle without executing it.
//!
//! Any bytes: the scanner's memory is in proportion to them, its four questions agree with each
//! other, and a pickle has exactly one end: cut anywhere it is truncated, and nothing may follow.
//! Bytes that begin with a zero are a recipe for a value, whose pickle must be told for what it is.

use mpcsfaas_core::pickle::{
    Container, Literal, Malformed, NotAFunction, NotParams, Reason, Top, check_function,
    check_params, pickle_str, scan, unpickle_str,
};

use crate::draw::Draw;
use crate::memory;
use crate::pickler::Pickler;

/// No pickle begins with this byte.
const MADE: u8 = 0;

/// A mark is a byte, and its place on a stack that grows by doubling takes eight, three times over.
const MEMORY_A_BYTE: u64 = 24;

/// The smallest stacks there are.
const MEMORY_AT_LEAST: u64 = 256;

/// Every proper beginning of a pickle is tried if there are at most so many, else about so many.
const CUTS: usize = 64;

/// One input.
///
/// # Panics
/// If the scanner does not keep what is said above.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((&MADE, recipe)) => made(&mut Draw::new(recipe)),
        Some(_) | None => any(data),
    }
}

fn any(bytes: &[u8]) {
    let told = within_bounds(bytes, scan);
    agree(bytes, told);
    match told {
        Ok(_) => one_end(bytes),
        Err(malformed) => assert!(malformed.offset <= bytes.len(), "{malformed}"),
    }
}

fn within_bounds<T>(bytes: &[u8], ask: fn(&[u8]) -> T) -> T {
    memory::bounded(bytes.len(), MEMORY_A_BYTE, MEMORY_AT_LEAST, || ask(bytes))
}

/// The four questions have answers that fit each other.
fn agree(bytes: &[u8], told: Result<Top, Malformed>) {
    match (told, within_bounds(bytes, check_function)) {
        (Err(one), Err(NotAFunction::Malformed(two))) => assert_eq!(one, two),
        (Ok(Top::Object), Ok(())) => {}
        (Ok(Top::Literal(_) | Top::Container(_)), Err(NotAFunction::PlainValue(_))) => {}
        (told, function) => panic!("{told:?}, and as a function {function:?}"),
    }
    match (told, within_bounds(bytes, check_params)) {
        (Err(one), Err(NotParams::Malformed(two))) => assert_eq!(one, two),
        (Ok(Top::Container(Container::Tuple(2))), Ok(()))
        | (
            Ok(Top::Container(Container::Tuple(2))),
            Err(NotParams::Args(_) | NotParams::Kwargs(_)),
        ) => {}
        (Ok(top), Err(NotParams::NotAPair(name))) => assert_eq!(top.name(), name),
        (told, params) => panic!("{told:?}, and as parameters {params:?}"),
    }
    if let Some(text) = within_bounds(bytes, unpickle_str) {
        assert_eq!(told, Ok(Top::Literal(Literal::Str)));
        assert_eq!(unpickle_str(&pickle_str(&text)), Some(text));
    }
}

fn one_end(bytes: &[u8]) {
    let step = bytes.len().div_ceil(CUTS).max(1);
    for end in (0..bytes.len()).step_by(step) {
        let reason = scan(&bytes[..end]).err().map(|malformed| malformed.reason);
        assert_eq!(reason, Some(Reason::Truncated), "cut at {end}");
    }
    let mut longer = bytes.to_vec();
    longer.push(b'N');
    let reason = scan(&longer).err().map(|malformed| malformed.reason);
    assert_eq!(reason, Some(Reason::TrailingBytes));
}

fn made(draw: &mut Draw<'_>) {
    let params = draw.flag();
    let mut pickler = Pickler::begin(draw);
    let expected = match params {
        true => {
            pickler.params(draw);
            Top::Container(Container::Tuple(2))
        }
        false => pickler.value(draw),
    };
    let bytes = pickler.end();
    assert_eq!(scan(&bytes), Ok(expected), "{}", bytes.escape_ascii());
    if params {
        assert_eq!(check_params(&bytes), Ok(()));
    }
    any(&bytes);
}
