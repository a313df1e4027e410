use super::*;

fn store() -> (tempfile::TempDir, VersionStore) {
    let dir = tempfile::tempdir().expect("makes a folder");
    let store = VersionStore::open(dir.path()).expect("opens");
    (dir, store)
}

/// Keeps a version with one component whose wasm are the bytes `wasm`.
fn keep(store: &VersionStore, id: VersionId, wasm: &[u8]) -> Record {
    let hash = hex(&Sha256::digest(wasm));
    store.keep_wasm(wasm, &hash).expect("is kept");
    let components = BTreeMap::from([("one".to_owned(), hash)]);
    let record = Record {
        id,
        created_at: Timestamp::from_unix_ms(0),
        digest: digest("text", &components, &Files::new()),
        manifest: PathBuf::from("/app/spin.toml"),
        components,
        files: Files::new(),
        variables: BTreeSet::new(),
    };
    store.keep(&record, "text").expect("is kept");
    record
}

#[test]
fn finds_again_what_it_kept() {
    let (dir, store) = store();
    let record = keep(&store, 7, b"wasm");
    let history = History { served: vec![7] };
    store.set_history(&history).expect("is kept");
    let again = VersionStore::open(dir.path()).expect("opens");
    assert_eq!(again.list().expect("is read"), std::slice::from_ref(&record));
    assert_eq!(again.manifest(&record).expect("is read"), "text");
    assert_eq!(again.history().expect("is read"), history);
    assert_eq!(again.newest().expect("is read"), 7);
    assert_eq!(record.base_dir(), Path::new("/app"));
}

#[test]
fn names_files_that_are_found_from_everywhere() {
    assert!(VersionStore::at(Path::new("state")).wasm("0").is_absolute());
}

#[test]
fn refuses_a_version_whose_wasm_was_changed() {
    let (_dir, store) = store();
    let record = keep(&store, 1, b"wasm");
    let path = store.wasm(&record.components["one"]);
    fs::write(&path, b"mwas").expect("writes");
    let said = store.manifest(&record).expect_err("is refused").to_string();
    assert_eq!(said, "component `one` of version 1 was changed");
}

#[test]
fn removes_what_a_killed_deployment_left() {
    let (dir, store) = store();
    let left =
        [store.dir.join(".3"), store.dir.join("wasm/.abc.wasm"), store.dir.join(".history.json")];
    fs::create_dir(&left[0]).expect("makes");
    fs::write(left[0].join("spin.toml"), "half").expect("writes");
    fs::write(&left[1], "half").expect("writes");
    fs::write(&left[2], "half").expect("writes");
    VersionStore::open(dir.path()).expect("opens");
    for path in left {
        assert!(!path.exists(), "{path:?}");
    }
}

#[test]
fn keeps_ten_versions_beside_those_in_use_and_only_their_wasm() {
    let (_dir, store) = store();
    for id in 1..=14 {
        keep(&store, id, format!("wasm of {id}").as_bytes());
    }
    store.prune(&BTreeSet::from([1, 14])).expect("prunes");
    let kept: Vec<_> = store.list().expect("is read").iter().map(|record| record.id).collect();
    assert_eq!(kept, [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    assert_eq!(names(&store.dir.join("wasm")).expect("is read").len(), kept.len());
}

#[test]
fn a_history_goes_back_step_by_step_and_is_bounded() {
    let history = History::default().then(1).then(2).then(2).then(3);
    assert_eq!(history.served, [1, 2, 3]);
    assert_eq!(history.previous(), Some(2));
    let back = history.back_to(2).expect("served");
    assert_eq!((back.served.as_slice(), back.previous()), (&[1, 2][..], Some(1)));
    assert_eq!(history.back_to(9), None);
    let long = (0..200).fold(History::default(), |history, id| history.then(id));
    assert_eq!((long.served.len(), long.served.last()), (HISTORY_MAX, Some(&199)));
}
