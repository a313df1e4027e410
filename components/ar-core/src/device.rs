//! From headers to a viewer, with the reason. Rules by table; every branch has rows in `tests/it/devices.tsv`.
//!
//! What a server can know ends early: an iPad says it is a Mac, a phone does not say whether it has `ARCore`. So the
//! manifest carries every link, and the recommendation is the one that fails softly: Scene Viewer falls back to 3D
//! without `ARCore`, and where nothing native is sure to open, the page is recommended.

use api_types::ar::Viewer;

use crate::hints::{Hint, Hints};

/// How heavy a model the device should be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Save-Data, a 2G line, or 2 GiB of memory.
    Low,
    /// Nothing better is known.
    Mid,
    /// A desktop, or a phone that says it has memory and a line.
    High,
}

impl Tier {
    /// Returns its name in `X-AR-Decision`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Mid => "mid",
            Self::High => "high",
        }
    }
}

/// What is recommended, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The viewer.
    pub viewer: Viewer,
    /// A stable word for people who debug.
    pub why: &'static str,
    /// How heavy a model.
    pub tier: Tier,
}

impl Decision {
    /// Writes the value of `X-AR-Decision`.
    #[must_use]
    pub fn header(&self) -> String {
        let (viewer, why, tier) = (viewer_name(self.viewer), self.why, self.tier.name());
        format!("viewer={viewer};why={why};tier={tier}")
    }
}

/// Returns a viewer's name in URLs and headers.
#[must_use]
pub const fn viewer_name(viewer: Viewer) -> &'static str {
    match viewer {
        Viewer::SceneViewer => "scene_viewer",
        Viewer::QuickLook => "quick_look",
        Viewer::Webxr => "webxr",
        Viewer::Page => "page",
    }
}

/// Reads a viewer's name.
#[must_use]
pub fn viewer_named(name: &str) -> Option<Viewer> {
    let all = [Viewer::SceneViewer, Viewer::QuickLook, Viewer::Webxr, Viewer::Page];
    all.into_iter().find(|viewer| viewer_name(*viewer) == name)
}

/// Chooses. An explicit wish beats every guess.
#[must_use]
pub fn decide(asked: Option<Viewer>, hints: &Hints<'_>) -> Decision {
    let (viewer, why) = match asked {
        Some(viewer) => (viewer, "asked"),
        None => recognise(hints.read(Hint::UserAgent), hints),
    };
    Decision { viewer, why, tier: tier(why == "desktop", hints) }
}

/// Oldest iOS with Quick Look.
const IOS_OLDEST: u32 = 12;
/// Oldest Android with `ARCore`, and with it Scene Viewer.
const ANDROID_OLDEST: u32 = 7;

/// Browsers inside other apps: a web view there has no Quick Look and may not follow an intent link.
const IN_APP: [&str; 29] = [
    "FBAN/",
    "FBAV/",
    "FB_IAB/",
    "FBIOS",
    "Instagram",
    "Barcelona ",
    "LinkedInApp",
    "Twitter for iP",
    "TwitterAndroid",
    "[Pinterest/",
    "Pinterest for",
    "Snapchat",
    "musical_ly",
    "BytedanceWebview",
    "ByteLocale/",
    "TikTok",
    "trill_",
    " Line/",
    "MicroMessenger",
    "KAKAOTALK",
    "NAVER(inapp",
    "DaumApps",
    "Viber",
    "Telegram-",
    "Reddit/",
    "WeiBo",
    "QQ/",
    "AliApp(",
    "Zalo",
];
/// Browsers on iOS that Apple lets open Quick Look, as `<model-viewer>` lists them.
const IOS_BROWSERS: [&str; 5] = ["CriOS/", "EdgiOS/", "FxiOS/", "GSA/", "DuckDuckGo/"];
/// Browsers on iOS that carry Safari's words but are web views.
const IOS_OTHERS: [&str; 6] =
    ["OPT/", "OPiOS/", "YaBrowser/", "UCBrowser/", "MQQBrowser/", "SamsungBrowser/"];
/// Head-mounted: a WebXR session in the page is the way there.
const HEADSETS: [&str; 4] = ["OculusBrowser/", "PicoBrowser/", "; Quest", "Pico Neo"];
/// Big screens and small phones without a camera or without AR.
const NO_AR: [&str; 13] = [
    "Windows Phone",
    "KAIOS/",
    "Tizen",
    "Web0S",
    "webOS",
    "SMART-TV",
    "SmartTV",
    "Android TV",
    "GoogleTV",
    "BRAVIA",
    "; AFT",
    "CrKey/",
    "Opera Mini",
];
/// Android without Google's apps, so without Scene Viewer.
const NO_GOOGLE: [&str; 6] =
    ["Silk/", "HuaweiBrowser/", "HMSCore", "HarmonyOS", "OpenHarmony", "; KF"];
/// Machines that read pages; compared in lower case.
const BOTS: [&str; 12] = [
    "bot",
    "crawler",
    "spider",
    "facebookexternalhit",
    "facebookcatalog",
    "slurp",
    "lighthouse",
    "bingpreview",
    "google-inspectiontool",
    "mediapartners-google",
    "whatsapp/",
    "skypeuripreview",
];

type Verdict = (Viewer, &'static str);

fn has_any(agent: &str, words: &[&str]) -> bool {
    words.iter().any(|word| agent.contains(word))
}

fn recognise(agent: &str, hints: &Hints<'_>) -> Verdict {
    if agent.is_empty() {
        return (Viewer::Page, "unknown");
    }
    // `CUBOT` makes phones.
    let lower = agent.to_ascii_lowercase().replace("cubot", "");
    if has_any(&lower, &BOTS) {
        return (Viewer::Page, "bot");
    }
    if has_any(agent, &HEADSETS) {
        return (Viewer::Webxr, "headset");
    }
    if has_any(agent, &NO_AR) {
        return (Viewer::Page, "no-ar");
    }
    if has_any(agent, &["iPhone", "iPad", "iPod"]) {
        return apple(agent);
    }
    if agent.contains("Macintosh") {
        return macintosh(agent);
    }
    if agent.contains("Android") {
        return android(agent);
    }
    if has_any(agent, &NO_GOOGLE) {
        return (Viewer::Page, "no-google-services");
    }
    // A phone's "desktop site" says X11; only the hint gives it away.
    if agent.contains("X11; Linux") && hints.read(Hint::Platform) == "Android" {
        return (Viewer::SceneViewer, "android-desktop-mode");
    }
    if has_any(agent, &["Windows NT", "X11;", "CrOS"]) {
        return (Viewer::Page, "desktop");
    }
    (Viewer::Page, "unknown")
}

fn apple(agent: &str) -> Verdict {
    if has_any(agent, &IN_APP) {
        return (Viewer::Page, "in-app-browser");
    }
    if number_after(agent, " OS ").is_some_and(|version| version < IOS_OLDEST) {
        return (Viewer::Page, "ios-too-old");
    }
    if has_any(agent, &IOS_OTHERS) {
        return (Viewer::Page, "ios-other-browser");
    }
    let is_safari = agent.contains("Version/") && agent.contains("Safari/");
    if is_safari || has_any(agent, &IOS_BROWSERS) {
        return (Viewer::QuickLook, "ios");
    }
    // A bare web view: every app's own browser looks like this.
    (Viewer::Page, "in-app-browser")
}

fn macintosh(agent: &str) -> Verdict {
    if has_any(agent, &IN_APP) {
        return (Viewer::Page, "in-app-browser");
    }
    // These exist on iOS alone: an iPad that asks for the desktop site.
    if has_any(agent, &["CriOS/", "EdgiOS/", "FxiOS/"]) {
        return (Viewer::QuickLook, "ipad-desktop-mode");
    }
    let is_other = has_any(agent, &["Chrome/", "Chromium/", "Firefox/", "Edg/", "OPR/"]);
    if !is_other && agent.contains("Version/") && agent.contains("Safari/") {
        // Safari on a Mac and on an iPad say the same. The page finds out with `relList.supports('ar')`.
        return (Viewer::Page, "mac-or-ipad");
    }
    (Viewer::Page, "desktop")
}

fn android(agent: &str) -> Verdict {
    if has_any(agent, &IN_APP) || agent.contains("; wv)") {
        return (Viewer::Page, "in-app-browser");
    }
    if has_any(agent, &NO_GOOGLE) {
        return (Viewer::Page, "no-google-services");
    }
    if has_any(agent, &["Firefox/", "Focus/", "Klar/"]) {
        return (Viewer::Page, "android-firefox");
    }
    if number_after(agent, "Android ").is_some_and(|version| version < ANDROID_OLDEST) {
        return (Viewer::Page, "android-too-old");
    }
    (Viewer::SceneViewer, "android")
}

/// Reads the whole number right after the first `mark`.
fn number_after(agent: &str, mark: &str) -> Option<u32> {
    let (_, rest) = agent.split_once(mark)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Least memory of a phone that gets the best model, in GiB.
const MEMORY_HIGH_GIB: f64 = 8.0;
/// Slowest line that carries a 3 MB model in about 20 s, in Mbit/s.
const DOWNLINK_LOW_MBPS: f64 = 1.2;

fn tier(is_desktop: bool, hints: &Hints<'_>) -> Tier {
    if hints.read(Hint::SaveData).eq_ignore_ascii_case("on") {
        return Tier::Low;
    }
    let line = hints.read(Hint::Ect);
    if matches!(line, "slow-2g" | "2g") {
        return Tier::Low;
    }
    let downlink = hints.read(Hint::Downlink).parse::<f64>().ok();
    let memory = hints.read(Hint::DeviceMemory).parse::<f64>().ok();
    let is_slow = downlink.is_some_and(|mbps| mbps < DOWNLINK_LOW_MBPS);
    if is_slow || memory.is_some_and(|gib| gib <= 2.0) {
        return Tier::Low;
    }
    if line == "3g" || memory.is_some_and(|gib| gib <= 4.0) {
        return Tier::Mid;
    }
    let is_strong = memory.is_some_and(|gib| gib >= MEMORY_HIGH_GIB);
    if is_desktop || is_strong { Tier::High } else { Tier::Mid }
}
