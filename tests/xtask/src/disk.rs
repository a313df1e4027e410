//! Room on disks: what is built needs it, and what tests write.

use std::path::Path;

use anyhow::{Result, bail};

/// Room without which no run of the tests gets to its end, however much is built already: 4 GiB.
const ROOM_BYTES_MIN: u64 = 4 << 30;
/// What the cache held after some runs of everything, in GiB, rounded up: more than the first one needs.
const BUILD_GIB: u64 = 26;

/// Returns the bytes that are free for us on the disk of a folder, which may not be there yet; nothing if nobody knows.
pub(crate) fn room(folder: &Path) -> Option<u64> {
    let present = folder.ancestors().find(|place| place.is_dir())?;
    let found = rustix::fs::statvfs(present).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Refuses where the disk of a folder is so full that a build or its log would be cut off.
pub(crate) fn require(folder: &Path) -> Result<()> {
    match problem(room(folder)) {
        Some(problem) => bail!("{}: {problem}", folder.display()),
        None => Ok(()),
    }
}

/// Returns what `doctor` says: the room, or why it is too little.
pub(crate) fn answer(folder: &Path) -> Result<String, String> {
    let room = room(folder);
    match (problem(room), room) {
        (Some(problem), _) => Err(problem),
        (None, Some(room)) => Ok(format!("{} GiB free for what is built", room >> 30)),
        (None, None) => Ok("not known".to_owned()),
    }
}

fn problem(room: Option<u64>) -> Option<String> {
    let room = room.filter(|room| *room < ROOM_BYTES_MIN)?;
    Some(format!(
        "{} MiB are free on its disk: make room for 4 GiB, or {BUILD_GIB} GiB if nothing is built yet",
        room >> 20
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ROOM_BYTES_MIN, problem, room};

    #[test]
    fn too_little_room_is_a_problem_and_unknown_room_is_not() {
        assert_eq!(problem(None), None);
        assert_eq!(problem(Some(ROOM_BYTES_MIN)), None);
        let problem = problem(Some(480 << 20)).unwrap();
        assert!(problem.starts_with("480 MiB are free"), "{problem}");
    }

    #[test]
    fn the_room_of_a_folder_to_come_is_that_of_the_one_it_will_be_in() {
        let folder = tempfile::tempdir().unwrap();
        let to_come = folder.path().join("not/there/yet");
        assert!(room(&to_come).is_some_and(|room| room > 0));
        assert_eq!(room(Path::new("")), None);
    }
}
