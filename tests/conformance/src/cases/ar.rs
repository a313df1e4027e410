//! Which viewer opens which file on which device.

use crate::case::{Case, Want, get};
use crate::facts::FACTS;

const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
const IPHONE_OLD: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 11_4_1 like Mac OS X) AppleWebKit/604.1.38 (KHTML, like Gecko) Version/11.0 Mobile/15A372 Safari/604.1";
const INSTAGRAM: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 15_8 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 336.0.8.23.97 (iPhone14,5; iOS 17_5_1)";
const OPERA_IOS: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1 OPT/4.8.0";
const ANDROID: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36";
const ANDROID_OLD: &str = "Mozilla/5.0 (Linux; Android 6.0.1; SM-G900F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/106.0.0.0 Mobile Safari/537.36";
const REDUCED: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36";
const QUEST: &str = "Mozilla/5.0 (X11; Linux x86_64; Quest 3) AppleWebKit/537.36 (KHTML, like Gecko) OculusBrowser/33.0 Chrome/126.0.0.0 VR Safari/537.36";
const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15";
const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const BOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const TV: &str = "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.4606.128 Safari/537.36 WebAppManager";

fn manifest(query: &str, name: &str) -> Case {
    get(&format!("/v1/ar/CHR-LYRA-OAK{query}"), name)
        .route("GET /v1/ar/{sku}")
        .header("content-type", "application/json")
        .header("vitrine-cache", "replica")
        .header("accept-ch", "Device-Memory, Downlink, ECT")
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = devices();
    cases.extend(hints());
    cases.extend(wishes());
    cases.extend(manifests());
    cases.extend(refusals());
    cases
}

fn devices() -> Vec<Case> {
    [
        ("an iPhone", IPHONE, "quick_look"),
        ("an iPhone before Quick Look", IPHONE_OLD, "page"),
        ("an app's own browser", INSTAGRAM, "page"),
        ("another browser on an iPhone", OPERA_IOS, "page"),
        ("an Android phone", ANDROID, "scene_viewer"),
        ("an Android before ARCore", ANDROID_OLD, "page"),
        ("an Android that hides its name", REDUCED, "scene_viewer"),
        ("a headset", QUEST, "webxr"),
        ("a Mac, which may be an iPad", MAC, "page"),
        ("a Windows desktop", WINDOWS, "page"),
        ("a Linux desktop", FIREFOX, "page"),
        ("a crawler", BOT, "page"),
        ("a television", TV, "page"),
        ("a program", "curl/8.5.0", "page"),
        ("an empty name", "", "page"),
    ]
    .into_iter()
    .map(|(what, agent, viewer)| {
        manifest("", &format!("{what} is given {viewer}"))
            .send("user-agent", agent)
            .json("/recommended/viewer", viewer)
            .want("x-ar-decision", Want::Starts(format!("viewer={viewer};why=")))
            .want("vary", Want::Has("User-Agent".into()))
    })
    .chain([manifest("", "a device without a name is given the page")
        .without("user-agent")
        .json("/recommended/viewer", "page")])
    .collect()
}

fn hints() -> Vec<Case> {
    [
        ("save-data", "on", "low"),
        ("ect", "2g", "low"),
        ("ect", "slow-2g", "low"),
        ("device-memory", "2", "low"),
        ("device-memory", "8", "high"),
        ("downlink", "0.2", "low"),
        ("downlink", "10", "mid"),
        ("save-data", "\"on\"", "low"),
        ("device-memory", "many", "mid"),
    ]
    .into_iter()
    .map(|(name, value, tier)| {
        manifest("", &format!("{name}: {value} makes it {tier}"))
            .send("user-agent", ANDROID)
            .send(name, value)
            .want("x-ar-decision", Want::Has(format!("tier={tier}")))
    })
    .chain([manifest("", "a platform hint is believed before the name")
        .send("user-agent", WINDOWS)
        .send("sec-ch-ua-platform", "\"Android\"")
        .has("x-ar-decision")])
    .collect()
}

fn wishes() -> Vec<Case> {
    ["scene_viewer", "quick_look", "webxr", "page"]
        .into_iter()
        .map(|viewer| {
            manifest(&format!("?viewer={viewer}"), &format!("who asks for {viewer} gets it"))
                .send("user-agent", WINDOWS)
                .json("/recommended/viewer", viewer)
                .json("/recommended/why", "asked")
        })
        .chain([manifest("?viewer=&currency=", "an empty wish is none")
            .send("user-agent", IPHONE)
            .json("/recommended/viewer", "quick_look")])
        .collect()
}

fn manifests() -> Vec<Case> {
    let quick_look = format!("{}#allowsContentScaling=0", FACTS.usdz.path);
    vec![
        manifest("", "a manifest has every link, whatever the device")
            .json("/sku", "CHR-LYRA-OAK")
            .json("/links/web_glb", FACTS.glb.path.as_str())
            .json("/links/usdz", FACTS.usdz.path.as_str())
            .json("/links/page", "https://shop.example/p/lyra-chair?variant=CHR-LYRA-OAK")
            .json_want("/links/quick_look", Want::Starts(quick_look))
            .json_want("/links/scene_viewer", Want::Starts("intent://arvr.google.com/".into()))
            .json_want(
                "/links/scene_viewer",
                Want::Has("file=https%3A%2F%2Fshop.example%2Fm%2F".into()),
            )
            .json("/dimensions_m/1", 0.82)
            .json("/material_variant", "Oak")
            .json("/poster_url", FACTS.jpg.path.as_str()),
        manifest("?currency=JPY", "the banner has the price that was asked for")
            .json_want("/links/quick_look", Want::Has("price=%C2%A556%2C000".into())),
        get("/v1/ar/TBL-MESA-CAR", "another piece has its own files")
            .json("/sku", "TBL-MESA-CAR")
            .json_want("/links/web_glb", Want::HasNot(FACTS.glb.path.clone())),
        get("/v1/ar/CHR-LYRA-OAK/", "a slash at the end does not matter")
            .json("/sku", "CHR-LYRA-OAK"),
    ]
}

fn refusals() -> Vec<Case> {
    let missing = |path: &str| get(path, &format!("{path} is not there")).problem(404, "not-found");
    vec![
        missing("/v1/ar/NO-SUCH-SKU"),
        missing("/v1/ar/chr-lyra-oak"),
        missing("/v1/ar/CHR--LYRA"),
        missing("/v1/ar/-"),
        missing("/v1/ar"),
        missing("/v1/ar/"),
        missing("/v1/ar/CHR-LYRA-OAK/x"),
        missing(&format!("/v1/ar/{}", "A".repeat(65))),
        get("/v1/ar/CHR-LYRA-OAK?viewer=hologram", "an unknown viewer is refused by name")
            .problem(422, "invalid-input")
            .fault("viewer", "unknown"),
        get("/v1/ar/CHR-LYRA-OAK?currency=XXX", "an unknown currency too")
            .problem(422, "invalid-input")
            .fault("currency", "unknown"),
        get("/v1/ar/CHR-LYRA-OAK?currency=GBP", "and one that it is not sold in")
            .problem(422, "invalid-input")
            .fault("currency", "unknown"),
    ]
}
