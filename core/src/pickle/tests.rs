//! The scanner against pickles that Python made, cut, stretched and made up.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Pickles made and read by Python: name, shape of the result, bytes.
fn pickles() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let rows = include_str!("testdata/pickles.tsv").lines();
    rows.map(|row| {
        let mut cells = row.split('\t');
        let mut cell = || cells.next().expect("three cells a row");
        (cell(), cell(), unhex(cell()))
    })
    .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).expect("a hex digit") as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn reason(bytes: &[u8]) -> Reason {
    scan(bytes).expect_err("malformed").reason
}

#[test]
fn the_shape_of_a_result_is_what_python_loads() {
    for (name, shape, bytes) in pickles() {
        let top = scan(&bytes).map(|top| format!("{top:?}"));
        assert_eq!(top.as_deref(), Ok(shape), "{name}");
    }
}

#[test]
fn a_pickle_cut_anywhere_is_malformed() {
    for (name, _, bytes) in pickles() {
        for end in 0..bytes.len() {
            let cut = scan(&bytes[..end]);
            assert_eq!(
                cut.map_err(|e| e.reason),
                Err(Reason::Truncated),
                "{name} cut at {end}"
            );
        }
    }
}

#[test]
fn a_byte_after_the_end_is_malformed() {
    for (name, _, mut bytes) in pickles() {
        bytes.push(b'.');
        assert_eq!(reason(&bytes), Reason::TrailingBytes, "{name}");
    }
}

#[test]
fn every_reason_has_an_example() {
    let examples: [(&[u8], Reason); 24] = [
        (b"", Reason::Truncated),
        (b"\x80", Reason::Truncated),
        (b"\x80\x06N.", Reason::UnsupportedProtocol(6)),
        (b"\xffN.", Reason::UnknownOpcode(0xff)),
        (b"\x9e\x8b\x5a", Reason::UnknownOpcode(0x9e)),
        (b"I1x\n.", Reason::BadArgument(b'I')),
        (b"L\n.", Reason::BadArgument(b'L')),
        (b"Fx\n.", Reason::BadArgument(b'F')),
        (b"Sabc\n.", Reason::BadArgument(b'S')),
        (b"V\\u12\n.", Reason::BadArgument(b'V')),
        (b"T\xff\xff\xff\xffabc.", Reason::BadArgument(b'T')),
        (b"Np-1\n.", Reason::BadArgument(b'p')),
        (b"\x95\xff\xff\xff\xff\xff\xff\xff\xffN.", Reason::Truncated),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", Reason::Truncated),
        (b"0.", Reason::Underflow),
        (b"N(\x85.", Reason::Underflow),
        (b"(o.", Reason::Underflow),
        (b"Nt.", Reason::NoMark),
        (b"(Nd.", Reason::OddItems),
        (b"}(Nu.", Reason::OddItems),
        (b"h\x00.", Reason::NotInMemo),
        (b"Nr\xff\xff\xff\xff.", Reason::MemoIndex),
        (b"NN.", Reason::NotOneItem),
        (b"N(.", Reason::NotOneItem),
    ];
    for (bytes, expected) in examples {
        assert_eq!(reason(bytes), expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_malformed_pickle_is_told_with_its_place() {
    let told = scan(b"\x80\x04N\xff.").expect_err("malformed").to_string();
    assert_eq!(told, "at byte 3: unknown opcode 0xff");
}

#[test]
fn deep_nesting_needs_no_recursion() {
    let mut deep = b"(".repeat(1_000_000);
    deep.extend(b"t".repeat(1_000_000));
    deep.push(b'.');
    assert_eq!(scan(&deep), Ok(Top::Container(Container::Tuple(1))));
}

#[test]
fn a_function_may_be_any_object_but_no_plain_value() {
    for (name, shape, bytes) in pickles() {
        assert_eq!(check_function(&bytes).is_ok(), shape == "Object", "{name}");
    }
    let told = check_function(b"\x80\x04K\x01.").map_err(|e| e.to_string());
    assert_eq!(
        told,
        Err("the pickle of an int, not of a function".to_owned())
    );
}

#[test]
fn parameters_are_a_pair_of_arguments() {
    let by_name: BTreeMap<_, _> = pickles().into_iter().map(|(n, _, b)| (n, b)).collect();
    for protocol in 0..6 {
        for name in ["params", "params-empty", "dill-params"] {
            let bytes = &by_name[format!("{name}-p{protocol}").as_str()];
            assert_eq!(check_params(bytes), Ok(()), "{name} in protocol {protocol}");
        }
        // A pair that comes out of the memo is let through: what is in it was not kept.
        let remembered = &by_name[format!("recursive-tuple-p{protocol}").as_str()];
        assert_eq!(check_params(remembered), Ok(()), "protocol {protocol}");
    }
    let told = |bytes: &[u8]| check_params(bytes).expect_err("no parameters").to_string();
    assert_eq!(
        told(b"]."),
        "the pickle of a list, not of a tuple (args, kwargs)"
    );
    assert_eq!(
        told(b"))))\x87\x85."),
        "not a pickle: at byte 6: the pickle does not end with exactly one item"
    );
    assert_eq!(
        told(b"K\x01K\x02\x86."),
        "the pickle of a tuple whose first item is an int, not the tuple of positional arguments"
    );
    assert_eq!(
        told(b"()K\x02t."),
        "the pickle of a tuple whose second item is an int, not the dict of keyword arguments"
    );
    assert_eq!(check_params(b")}\x86q\x00."), Ok(()));
    assert_eq!(check_params(b"]Nb}\x86\x94."), Ok(()));
}

#[test]
fn a_string_is_read_as_python_reads_it() {
    let strings = [
        ("str-empty", ""),
        ("str", "caf\u{e9}"),
        ("str-lines", "a\nb\\u0041\r\0\u{1a}\u{1f600}\\"),
    ];
    let pickles = pickles();
    for (name, text) in strings {
        let same =
            |row: &&(&str, &str, Vec<u8>)| row.0.rsplit_once("-p").is_some_and(|n| n.0 == name);
        let mut seen = 0;
        for (name, _, bytes) in pickles.iter().filter(same) {
            assert_eq!(unpickle_str(bytes).as_deref(), Some(text), "{name}");
            seen += 1;
        }
        assert!(seen >= 3, "{name} in {seen} protocols");
    }
}

#[test]
fn only_the_pickle_of_a_string_is_read_as_one() {
    for (name, shape, bytes) in pickles() {
        let plain = shape == "Literal(Str)" && !name.contains("surrogate");
        let of_python_2 = matches!(
            name,
            "protocol-0-python-2-str" | "binstring" | "short-binstring"
        );
        assert_eq!(
            unpickle_str(&bytes).is_some(),
            plain && !of_python_2,
            "{name}"
        );
    }
}

#[test]
fn backslashes_escape_only_in_odd_numbers() {
    let lines: [(&[u8], &str); 6] = [
        (b"V\\u0041\n.", "A"),
        (b"V\\\\u0041\n.", "\\\\u0041"),
        (b"V\\\\\\u0041\n.", "\\\\A"),
        (b"V\\\n.", "\\"),
        (b"V\\x41\xe9\n.", "\\x41\u{e9}"),
        (b"V\\\\\\\n.", "\\\\\\"),
    ];
    for (line, text) in lines {
        assert_eq!(
            unpickle_str(line).as_deref(),
            Some(text),
            "{}",
            line.escape_ascii()
        );
    }
}

#[test]
fn a_string_is_written_as_python_reads_it() {
    assert_eq!(pickle_str("caf\u{e9}"), b"\x80\x04\x8c\x05caf\xc3\xa9.");
    let long = "x".repeat(256);
    assert!(pickle_str(&long).starts_with(b"\x80\x04X\x00\x01\x00\x00xx"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = scan(&bytes);
        let _ = check_params(&bytes);
        let _ = unpickle_str(&bytes);
    }

    /// Bytes out of the opcodes alone get further than random ones.
    #[test]
    fn no_program_makes_it_panic(
        bytes in proptest::collection::vec(
            proptest::sample::select(&b"().0125NlIdtaesubRoQq\x00hpg\n]}K\x85\x86\x87\x90\x91\x94\x93\x81"[..]),
            0..60,
        ),
    ) {
        if let Err(malformed) = scan(&bytes) {
            prop_assert!(malformed.offset <= bytes.len());
        }
        let _ = check_params(&bytes);
        let _ = unpickle_str(&bytes);
    }

    #[test]
    fn a_changed_byte_does_not_make_it_panic(
        row in 0_usize..300, at in any::<proptest::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = pickles().swap_remove(row).2;
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = scan(&bytes);
        let _ = check_params(&bytes);
    }

    #[test]
    fn strings_survive(text in any::<String>()) {
        let pickle = pickle_str(&text);
        prop_assert_eq!(scan(&pickle), Ok(Top::Literal(Literal::Str)));
        prop_assert_eq!(unpickle_str(&pickle), Some(text));
    }
}
