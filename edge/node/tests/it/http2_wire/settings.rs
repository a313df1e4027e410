//! RFC 9113, section 6.5: SETTINGS.

use super::Bench;
use crate::frames::{
    ACK, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR, SETTINGS, frame, setting,
};

#[test]
fn section_6_5_settings_of_the_wrong_shape_end_the_connection() {
    let bench = Bench::start();
    let bytes = frame(SETTINGS, ACK, 0, &[0; 6]);
    bench.ends_vaguely("words with an ACK", &bytes, FRAME_SIZE_ERROR);
    bench.ends("of a stream", &frame(SETTINGS, 0, 1, &[]), &[PROTOCOL_ERROR]);
    for length in [1, 3, 7] {
        let bytes = frame(SETTINGS, 0, 0, &vec![0; length]);
        bench.ends_vaguely("no whole number of settings", &bytes, FRAME_SIZE_ERROR);
    }
}

#[test]
fn section_6_5_2_settings_that_cannot_be_end_the_connection() {
    let bench = Bench::start();
    bench.ends("ENABLE_PUSH of 2", &setting(2, 2), &[PROTOCOL_ERROR]);
    let large = setting(4, 1 << 31);
    bench.ends_vaguely("INITIAL_WINDOW_SIZE of 2 GiB", &large, FLOW_CONTROL_ERROR);
    for size in [0, 16_383, 1 << 24, u32::MAX] {
        bench.ends("MAX_FRAME_SIZE", &setting(5, size), &[PROTOCOL_ERROR]);
    }
    bench.ends("ENABLE_CONNECT_PROTOCOL of 2", &setting(8, 2), &[PROTOCOL_ERROR]);
}

#[test]
fn section_6_5_2_settings_that_can_be_are_borne() {
    let bench = Bench::start();
    for (what, bytes) in [
        ("an unknown one", setting(0xff, 1)),
        ("no table of fields", setting(1, 0)),
        ("a large table of fields", setting(1, u32::MAX)),
        ("no push", setting(2, 0)),
        ("no streams of the node", setting(3, 0)),
        ("the most room", setting(4, (1 << 31) - 1)),
        ("the largest frames", setting(5, (1 << 24) - 1)),
        ("the last of several", [setting(4, 0), setting(4, 65_535)].concat()),
    ] {
        bench.bears(what, &bytes, 1);
    }
}

#[test]
fn section_6_5_3_settings_are_acknowledged_in_order() {
    let bench = Bench::start();
    let mut wire = bench.begin();
    // What `begin` said first is acknowledged too.
    wire.send(&[setting(4, 1), setting(4, 2), setting(4, 3)].concat());
    for _ in 0..4 {
        let answer = wire.until(|frame| frame.kind == SETTINGS).expect("is acknowledged");
        assert_eq!((answer.flags, answer.payload.len()), (ACK, 0));
    }
    wire.assert_serves(1, "settings");
}
