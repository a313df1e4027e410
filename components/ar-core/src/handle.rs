//! `GET /v1/ar/{sku}`: fetch the model, decide, write the manifest.

use core::time::Duration;

use api_types::ar::{Links, Manifest, Recommendation, Viewer};
use api_types::problem::{Failure, Problem};
use api_types::reply::Public;
use bytes::Bytes;
use domain::{Currency, ErrorKind, Money, Sku};
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use ports::{Sql, SqlValue, Variables};

use crate::device::{self, Decision};
use crate::hints::{ACCEPT_CH, Hints};
use crate::links::{self, Banner};
use crate::sql;

/// How long a manifest may be kept: it carries a price, which is seconds old anyway.
const MAX_AGE: Duration = Duration::from_secs(5);
/// The application variable with the address that phones reach the shop under.
const PUBLIC_URL: &str = "public_url";
const CACHE: HeaderName = HeaderName::from_static("vitrine-cache");
const DECISION: HeaderName = HeaderName::from_static("x-ar-decision");
const ACCEPT_CH_NAME: HeaderName = HeaderName::from_static("accept-ch");

/// Answers a request for a manifest. `HEAD` gets the head of what `GET` gets.
pub async fn handle<P: Sql + Variables>(ports: &P, request: Request<Bytes>) -> Response<Bytes> {
    let mut response = answer(ports, &request)
        .await
        .unwrap_or_else(|failure| failure.into_answer(request.headers()));
    if response.status() == http::StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response.headers_mut().insert(CACHE, HeaderValue::from_static("replica"));
    if request.method() == Method::HEAD {
        *response.body_mut() = Bytes::new();
    }
    response
}

async fn answer<P: Sql + Variables>(
    ports: &P,
    request: &Request<Bytes>,
) -> Result<Response<Bytes>, Failure> {
    let sku = sku(request.uri().path()).ok_or_else(|| Problem::of(ErrorKind::NotFound))?;
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err(Problem::of(ErrorKind::MethodNotAllowed).into());
    }
    let wish = Wish::parse(request.uri().query().unwrap_or(""))?;
    let code = wish.currency.map_or(SqlValue::Null, |c| SqlValue::Text(c.code().to_owned()));
    let bound = [code, SqlValue::Text(sku.as_str().to_owned())];
    let rows = ports.query(sql::MODEL, &bound).await?;
    let row = rows.rows.into_iter().next().ok_or_else(|| Problem::of(ErrorKind::NotFound))?;
    let model = Model::read(row)?;
    if !model.is_complete() {
        let problem = Problem::new(ErrorKind::NotFound, "no-model", "There is no model of this");
        return Err(problem.into());
    }
    if wish.currency.is_some() && model.price.is_none() {
        return Err(wrong("currency", "unknown", "It is not sold in that currency.").into());
    }
    let base = ports.variable(PUBLIC_URL).await?;
    let hints = Hints::new(request.headers());
    let decision = device::decide(wish.viewer, &hints);
    let value = manifest(sku, model, &base, &decision);
    let reply = Public { value, max_age: MAX_AGE, shared_max_age: MAX_AGE, etag: None };
    let mut response = reply.into_validated_response(request.headers()).map_err(Failure::fault)?;
    let headers = response.headers_mut();
    if let Ok(decided) = HeaderValue::from_str(&decision.header()) {
        headers.insert(DECISION, decided);
    }
    if let Some(vary) = hints.vary() {
        headers.insert(header::VARY, vary);
    }
    headers.insert(ACCEPT_CH_NAME, HeaderValue::from_static(ACCEPT_CH));
    Ok(response)
}

fn sku(path: &str) -> Option<Sku> {
    let path = path.strip_suffix('/').unwrap_or(path);
    path.strip_prefix("/v1/ar/")?.parse().ok()
}

fn wrong(parameter: &str, code: &str, detail: &str) -> Problem {
    Problem::of(ErrorKind::InvalidInput).field(parameter, code, detail)
}

/// What the asker says explicitly. Unknown parameters are ignored, empty ones count as absent.
#[derive(Default)]
struct Wish {
    viewer: Option<Viewer>,
    currency: Option<Currency>,
}

impl Wish {
    fn parse(query: &str) -> Result<Self, Failure> {
        let mut wish = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match (name, value) {
                (_, "") => {}
                ("viewer", value) => {
                    let viewer = device::viewer_named(value);
                    let known = "One of scene_viewer, quick_look, webxr, page.";
                    wish.viewer = Some(viewer.ok_or_else(|| wrong("viewer", "unknown", known))?);
                }
                ("currency", value) => {
                    let detail = "A currency code of ISO 4217 that is sold in here.";
                    let currency =
                        value.parse().map_err(|_| wrong("currency", "unknown", detail))?;
                    wish.currency = Some(currency);
                }
                _ => {}
            }
        }
        Ok(wish)
    }
}

/// A row of `sql::MODEL`.
struct Model {
    title: String,
    material_variant: String,
    web_glb: String,
    plain_glb: String,
    usdz: String,
    poster: String,
    dimensions_mm: [u32; 3],
    handle: String,
    product_title: String,
    price: Option<Money>,
}

impl Model {
    fn read(row: Vec<SqlValue>) -> Result<Self, Failure> {
        use SqlValue::{Integer, Null, Text};
        let bad = || Failure::fault("the model's row is not what it promises");
        let row: [SqlValue; 14] = row.try_into().map_err(|_| bad())?;
        let [
            Text(title),
            Text(material_variant),
            Text(web_glb),
            Text(plain_glb),
            Text(usdz),
            Text(poster),
            Integer(width),
            Integer(height),
            Integer(depth),
            Text(handle),
            Text(product_title),
            Text(_),
            minor,
            currency,
        ] = row
        else {
            return Err(bad());
        };
        let mm = |number: i64| u32::try_from(number).map_err(|_| bad());
        let dimensions_mm = [mm(width)?, mm(height)?, mm(depth)?];
        let price = match (minor, currency) {
            (Integer(minor), Text(code)) => {
                Some(Money::new(minor, code.parse().map_err(|_| bad())?))
            }
            (Null, _) => None,
            _ => return Err(bad()),
        };
        Ok(Self {
            title,
            material_variant,
            web_glb,
            plain_glb,
            usdz,
            poster,
            dimensions_mm,
            handle,
            product_title,
            price,
        })
    }

    const fn is_complete(&self) -> bool {
        !self.web_glb.is_empty() && !self.plain_glb.is_empty() && !self.usdz.is_empty()
    }
}

/// Writes the manifest. Files are paths, right under whatever name the shop is reached; Scene Viewer fetches by
/// itself and gets full URLs. The page is a full URL too: in an app's own browser it is there to be opened elsewhere.
fn manifest(sku: Sku, model: Model, base: &str, decision: &Decision) -> Manifest {
    let page = links::absolute(base, &format!("/p/{}?variant={sku}", model.handle));
    let full_title = format!("{} – {}", model.product_title, model.title);
    let banner = Banner {
        title: &model.product_title,
        subtitle: &model.title,
        price: model.price,
        page: &page,
    };
    let plain_glb = links::absolute(base, &model.plain_glb);
    let links = Links {
        scene_viewer: links::scene_viewer(&plain_glb, &full_title, &page),
        quick_look: links::quick_look(&model.usdz, &banner),
        web_glb: model.web_glb,
        plain_glb: model.plain_glb,
        usdz: model.usdz,
        page,
    };
    let url = match decision.viewer {
        Viewer::SceneViewer => links.scene_viewer.clone(),
        Viewer::QuickLook => links.quick_look.clone(),
        Viewer::Webxr | Viewer::Page => links.page.clone(),
    };
    Manifest {
        sku,
        recommended: Recommendation { viewer: decision.viewer, url, why: decision.why.to_owned() },
        links,
        dimensions_m: model.dimensions_mm.map(metres),
        poster_url: model.poster,
        material_variant: model.material_variant,
    }
}

fn metres(mm: u32) -> f64 {
    f64::from(mm) / 1_000.0
}
