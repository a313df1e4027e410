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
            std::fs::create_dir_all(path.parent().expect("has one")).expect("makes folders");
            std::fs::write(path, file).expect("writes");
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
    fn mounts(&self, files: &str, is_direct: bool) -> Result<Vec<Mount>, Failure> {
        let text = format!(
            "spin_manifest_version = 2\n[application]\nname = \"a\"\n[[trigger.http]]\nroute = \"/\"\n\
             component = \"c\"\n[component.c]\nsource = \"c.wasm\"\n{files}\n"
        );
        let manifest = Manifest::parse(&text).expect("is good");
        let mut app = manifest.resolve(&VariableSources::new()).expect("is good");
        mount(&mut app, &self.base(), &self.staging(), is_direct)?;
        Ok(app.component("c").expect("exists").grants.files.clone())
    }

    /// What the component sees below `/`, for one that needs copies.
    fn seen(&self, files: &str) -> Vec<String> {
        let mounts = self.mounts(files, false).map_err(|failure| format!("{:#}", failure.error()));
        let mounts = mounts.expect(files);
        let [Mount { source, destination }] = mounts.as_slice() else { panic!("{mounts:?}") };
        assert_eq!((Path::new(source), destination.as_str()), (&*self.staging().join("c"), "/"));
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
        let failure = self.mounts(files, false).expect_err(files);
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
    let text = std::fs::read_to_string(world.staging().join("c/a")).expect("is there");
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
        let mounts = world.mounts(files, is_direct).ok().expect("is mounted");
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
    std::fs::remove_file(world.base().join("a.txt")).expect("is removed");
    let expected: Vec<&String> = first.iter().filter(|file| *file != "a.txt").collect();
    assert_eq!(world.seen(files).iter().collect::<Vec<_>>(), expected);
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
    let failure = world.mounts("files = [\"a.txt\"]", true).expect_err("is refused");
    assert!(format!("{:#}", failure.error()).starts_with("--direct-mounts: component `c`"));
}

#[test]
fn refuses_more_files_than_were_meant() {
    let world = World::new();
    let many = world.base().join("many");
    std::fs::create_dir(&many).expect("makes a folder");
    for number in 0..=FILES_MAX {
        std::fs::File::create(many.join(number.to_string())).expect("makes a file");
    }
    let (is_configuration, error) = world.refused("files = [\"many/*\"]");
    assert!(is_configuration && error.contains("more than 16384 files"), "{error}");
    let huge = std::fs::File::create(world.base().join("huge.bin")).expect("makes a file");
    huge.set_len(BYTES_MAX + 1).expect("is made long");
    let (is_configuration, error) = world.refused("files = [\"huge.bin\"]");
    assert!(is_configuration && error.contains("bytes would be copied"), "{error}");
}

#[test]
fn says_that_the_machine_is_at_fault_where_it_cannot_write() {
    let world = World::new();
    std::fs::write(world.base().join(".spin"), "in the way").expect("writes");
    let (is_configuration, error) = world.refused("files = [\"a.txt\"]");
    assert!(!is_configuration && error.contains("copy files of component `c`"), "{error}");
}
