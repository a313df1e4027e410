//! What a component sees of which files.

use manifest::{Manifest, VariableSources};

use super::*;

/// A directory `app` with some files in it, and one beside it.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::tempdir().expect("makes a folder"));
        for file in [
            "app/a.txt",
            "app/site/index.html",
            "app/site/img/x.png",
            "app/site/img/y.jpg",
            "app/site/.hidden",
            "app/secret/key.txt",
            "app/odd[1]/z.txt",
            "beside/b.txt",
        ] {
            let path = world.0.path().join(file);
            fs::create_dir_all(path.parent().expect("has one")).expect("makes folders");
            fs::write(path, file).expect("writes");
        }
        world
    }

    fn base(&self) -> PathBuf {
        self.0.path().join("app")
    }

    fn staging(&self) -> PathBuf {
        self.base().join(".spin/files")
    }

    /// Mounts for `files` and `exclude_files` as written.
    fn mounts(
        &self,
        files: &str,
        kept: Option<&str>,
        is_direct: bool,
    ) -> Result<Vec<Mount>, Failure> {
        let text = format!(
            "spin_manifest_version = 2\n[application]\nname = \"a\"\n[[trigger.http]]\nroute = \"/\"\n\
             component = \"c\"\n[component.c]\nsource = \"c.wasm\"\n{files}\n"
        );
        let manifest = Manifest::parse(&text).expect("is good");
        let mut app = manifest.resolve(&VariableSources::new()).expect("is good");
        let kept = kept.map(|digest| ("c".to_owned(), digest.to_owned()));
        let kept = kept.into_iter().collect();
        mount(&mut app, &self.base(), &self.staging(), &kept, is_direct)?;
        Ok(app.component("c").expect("exists").grants.files.clone())
    }

    /// The digest of what a component with `files` sees.
    fn copied(&self, files: &str, kept: Option<&str>) -> Result<String, String> {
        let mounts = self.mounts(files, kept, false);
        let mounts = mounts.map_err(|failure| format!("{:#}", failure.error()))?;
        let copy = Path::new(&mounts[0].source).file_name().expect("has a name");
        Ok(copy.to_str().expect("is text").to_owned())
    }

    /// What the component sees below `/`, for one that needs copies.
    fn seen(&self, files: &str) -> Vec<String> {
        let mounts =
            self.mounts(files, None, false).map_err(|failure| format!("{:#}", failure.error()));
        let mounts = mounts.expect(files);
        let [Mount { source, destination }] = mounts.as_slice() else { panic!("{mounts:?}") };
        assert!(Path::new(source).starts_with(self.staging()) && destination == "/", "{source}");
        let found = glob::glob(&format!("{}/**/*", glob::Pattern::escape(source)));
        let mut seen: Vec<String> = found
            .expect("is a pattern")
            .map(|path| path.expect("is read"))
            .filter(|path| path.is_file())
            .map(|path| path.strip_prefix(source).expect("is below").display().to_string())
            .collect();
        seen.sort();
        seen
    }

    /// Why the application is refused, and whether it is its own fault.
    fn refused(&self, files: &str) -> (bool, String) {
        let failure = self.mounts(files, None, false).expect_err(files);
        (matches!(failure, Failure::Configuration(_)), format!("{:#}", failure.error()))
    }
}

#[test]
fn shows_what_patterns_match_under_its_own_path() {
    let world = World::new();
    for (files, expected) in [
        ("files = [\"a.txt\"]", &["a.txt"][..]),
        ("files = [\"./a.txt\"]", &["a.txt"]),
        ("files = [\"*.txt\"]", &["a.txt"]),
        ("files = [\"**/*.txt\"]", &["a.txt", "odd[1]/z.txt", "secret/key.txt"]),
        ("files = [\"site/*\"]", &["site/.hidden", "site/index.html"]),
        ("files = [\"site/**/*.png\"]", &["site/img/x.png"]),
        ("files = [\"site/img/[xz].*\"]", &["site/img/x.png"]),
        ("files = [\"site/img\"]", &["site/img/x.png", "site/img/y.jpg"]),
        ("files = [\"odd[1]\"]", &["odd[1]/z.txt"]),
        ("files = [\"none/*\"]", &[]),
    ] {
        assert_eq!(world.seen(files), expected, "{files}");
    }
}

#[test]
fn leaves_out_what_is_excluded() {
    let world = World::new();
    for (files, expected) in [
        ("files = [\"**/*.txt\"]\nexclude_files = [\"secret/*\"]", &["a.txt", "odd[1]/z.txt"][..]),
        ("files = [\"**/*.txt\"]\nexclude_files = [\"**/key.txt\", \"a.*\"]", &["odd[1]/z.txt"]),
        ("files = [\"a.txt\"]\nexclude_files = [\"a.txt\"]", &[]),
        (
            "files = [{ source = \"site\", destination = \"/w\" }]\nexclude_files = [\"site/img/*\"]",
            &["w/.hidden", "w/index.html"],
        ),
    ] {
        assert_eq!(world.seen(files), expected, "{files}");
    }
}

#[test]
fn places_single_files_and_lets_the_later_entry_win() {
    let world = World::new();
    let placed = "files = [{ source = \"a.txt\", destination = \"/etc/b.txt\" }]";
    assert_eq!(world.seen(placed), ["etc/b.txt"]);
    let both = "files = [{ source = \"secret/key.txt\", destination = \"/a\" }, \
                { source = \"a.txt\", destination = \"/a\" }]";
    assert_eq!(world.seen(both), ["a"]);
    let copy = world.copied(both, None).expect("is copied");
    let text = fs::read_to_string(world.staging().join(copy).join("a")).expect("is there");
    assert_eq!(text, "app/a.txt");
    let merged = "files = [{ source = \"secret\", destination = \"/\" }, \
                  { source = \"odd[1]\", destination = \"/\" }]";
    assert_eq!(world.seen(merged), ["key.txt", "z.txt"]);
}

#[test]
fn mounts_whole_directories_as_they_are() {
    let world = World::new();
    for is_direct in [false, true] {
        let files = "files = [{ source = \"site\", destination = \"/w\" }, \
                     { source = \"../beside\", destination = \"/b\" }]";
        let mounts = world.mounts(files, None, is_direct).ok().expect("is mounted");
        let mounts = mounts.iter().map(|m| (m.source.as_str(), m.destination.as_str()));
        assert_eq!(mounts.collect::<Vec<_>>(), [("site", "/w"), ("../beside", "/b")]);
    }
    assert!(!world.staging().exists());
}

#[test]
fn forgets_what_was_copied_before_and_never_copies_the_copies() {
    let world = World::new();
    let files = "files = [\"**/*.txt\"]";
    let first = world.seen(files);
    fs::remove_file(world.base().join("a.txt")).expect("is removed");
    let expected: Vec<&String> = first.iter().filter(|file| *file != "a.txt").collect();
    assert_eq!(world.seen(files).iter().collect::<Vec<_>>(), expected);
}

#[test]
fn finds_what_was_kept_whatever_became_of_the_files() {
    let world = World::new();
    let (files, source) = ("files = [\"a.txt\"]", world.base().join("a.txt"));
    let kept = world.copied(files, None).expect("is copied");
    let copy = world.staging().join(&kept).join("a.txt");
    fs::write(&source, "changed").expect("writes");
    let other = world.copied(files, None).expect("is copied");
    assert_ne!(kept, other);
    fs::remove_file(&source).expect("removes");
    assert_eq!(world.copied(files, Some(&kept)).as_ref(), Ok(&kept));
    assert_eq!(fs::read_to_string(&copy).expect("is there"), "app/a.txt");

    // A damaged copy is made anew from the same files, and refused without them.
    fs::write(&copy, "damaged").expect("writes");
    let said = world.copied(files, Some(&kept)).expect_err("has no source");
    assert!(said.contains("`a.txt` does not exist"), "{said}");
    fs::write(&source, "other").expect("writes");
    let said = world.copied(files, Some(&kept)).expect_err("has another source");
    assert!(said.starts_with("files of component `c` have changed"), "{said}");
    fs::write(&source, "app/a.txt").expect("writes");
    assert_eq!(world.copied(files, Some(&kept)).as_ref(), Ok(&kept));
    assert_eq!(fs::read_to_string(&copy).expect("is there"), "app/a.txt");
}

#[test]
fn names_a_copy_by_all_that_is_in_it() {
    let world = World::new();
    let mut seen = BTreeSet::new();
    for files in [
        "files = [\"a.txt\"]",
        "files = [\"none/*\"]",
        "files = [{ source = \"a.txt\", destination = \"/b.txt\" }]",
        "files = [\"a.txt\", \"secret/key.txt\"]",
    ] {
        assert!(seen.insert(world.copied(files, None).expect("is copied")), "{files}");
    }
    fs::write(world.base().join("a.txt"), "").expect("writes");
    assert!(seen.insert(world.copied("files = [\"a.txt\"]", None).expect("is copied")));
}

#[test]
fn removes_copies_that_nobody_uses_and_nothing_else() {
    let world = World::new();
    let used = world.copied("files = [\"a.txt\"]", None).expect("is copied");
    let other = world.copied("files = [\"site\"]", None).expect("is copied");
    fs::create_dir(world.staging().join(format!(".{used}"))).expect("makes a folder");
    fs::create_dir(world.staging().join("of somebody else")).expect("makes a folder");
    prune(&world.staging(), &BTreeSet::from([used.clone()]));
    let left = fs::read_dir(world.staging()).expect("is read");
    let mut left: Vec<_> = left.map(|entry| entry.expect("is read").file_name()).collect();
    left.sort();
    assert_eq!(left, [&*used, "of somebody else"], "{other}");
}

#[test]
fn refuses_what_cannot_be_copied_and_says_why() {
    let world = World::new();
    for (files, words) in [
        ("files = [\"gone.txt\"]", "`gone.txt` does not exist and is no pattern"),
        ("files = [\"a***b\"]", "cannot be read as a pattern"),
        ("files = [\"a.txt\"]\nexclude_files = [\"a***b\"]", "`a***b` is no pattern"),
        (
            "files = [\"a.txt\", { source = \"gone\", destination = \"/\" }]",
            "`gone` does not exist",
        ),
        ("files = [{ source = \"a.txt\", destination = \"/d/\" }]", "is no name for the file"),
        ("files = [{ source = \"a.txt\", destination = \"/\" }]", "is no name for the file"),
    ] {
        let (is_configuration, error) = world.refused(files);
        assert!(is_configuration && error.contains(words) && error.contains("`c`"), "{error}");
    }
    let failure = world.mounts("files = [\"a.txt\"]", None, true).expect_err("is refused");
    assert!(format!("{:#}", failure.error()).starts_with("--direct-mounts: component `c`"));
}

#[test]
fn refuses_more_files_than_were_meant() {
    let world = World::new();
    let many = world.base().join("many");
    fs::create_dir(&many).expect("makes a folder");
    for number in 0..=FILES_MAX {
        File::create(many.join(number.to_string())).expect("makes a file");
    }
    let (is_configuration, error) = world.refused("files = [\"many/*\"]");
    assert!(is_configuration && error.contains("more than 16384 files"), "{error}");
    let huge = File::create(world.base().join("huge.bin")).expect("makes a file");
    huge.set_len(BYTES_MAX + 1).expect("is made long");
    let (is_configuration, error) = world.refused("files = [\"huge.bin\"]");
    assert!(is_configuration && error.contains("bytes would be copied"), "{error}");
}

#[test]
fn says_that_the_machine_is_at_fault_where_it_cannot_write() {
    let world = World::new();
    fs::write(world.base().join(".spin"), "in the way").expect("writes");
    let (is_configuration, error) = world.refused("files = [\"a.txt\"]");
    assert!(!is_configuration && error.contains("copy files of component `c`"), "{error}");
}
