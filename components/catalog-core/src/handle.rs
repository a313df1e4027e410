//! A request in, an answer out: fetch, hand to a pure function, write.

use core::time::Duration;
use std::collections::BTreeMap;

use api_types::catalogue::{ArReference, Page, Product, Variant};
use api_types::problem::{Failure, Problem};
use api_types::reply::Public;
use bytes::Bytes;
use domain::{Currency, ErrorKind, Handle, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use ports::{Clock, Rows, Sql, SqlValue};

use crate::cursor::Cursor;
use crate::query::{self, ListQuery, Need, Sort, Words};
use crate::route::Route;
use crate::row::{self, BadColumn};
use crate::sql;

/// How long browsers and shared caches may keep an answer: prices and stock hints are seconds old anyway.
const MAX_AGE: Duration = Duration::from_secs(5);
/// Where an answer came from; here always the replica.
const CACHE: HeaderName = HeaderName::from_static("vitrine-cache");

impl From<BadColumn> for Failure {
    fn from(error: BadColumn) -> Self {
        Self::fault(error)
    }
}

/// Answers a request for the catalogue. `HEAD` gets the head of what `GET` gets.
pub async fn handle<P: Sql + Clock>(ports: &P, request: Request<Bytes>) -> Response<Bytes> {
    let is_head = request.method() == Method::HEAD;
    let answer = match Route::of(request.uri().path()) {
        None => Err(Problem::of(ErrorKind::NotFound).into()),
        Some(_) if request.method() != Method::GET && !is_head => {
            return method_not_allowed(request.headers());
        }
        Some(route) => {
            let query = request.uri().query().unwrap_or("");
            answer(ports, route, query, request.headers()).await
        }
    };
    let mut response = answer.unwrap_or_else(|failure| failure.into_answer(request.headers()));
    response.headers_mut().insert(CACHE, HeaderValue::from_static("replica"));
    if is_head {
        *response.body_mut() = Bytes::new();
    }
    response
}

fn method_not_allowed(asked: &HeaderMap) -> Response<Bytes> {
    let mut response = Problem::of(ErrorKind::MethodNotAllowed).asked_in(asked).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

async fn answer<P: Sql + Clock>(
    ports: &P,
    route: Route,
    query: &str,
    asked: &HeaderMap,
) -> Result<Response<Bytes>, Failure> {
    match route {
        Route::Products => list(ports, ListQuery::parse(query, Need::Optional)?, asked).await,
        Route::Search => list(ports, ListQuery::parse(query, Need::Words)?, asked).await,
        Route::Product(handle) => product(ports, handle, query::currency(query)?, asked).await,
        Route::Categories => categories(ports, asked).await,
    }
}

fn write<T: serde::Serialize>(value: T, asked: &HeaderMap) -> Result<Response<Bytes>, Failure> {
    Public { value, max_age: MAX_AGE, shared_max_age: MAX_AGE, etag: None }
        .into_validated_response(asked)
        .map_err(Failure::fault)
}

async fn list<P: Sql + Clock>(
    ports: &P,
    query: ListQuery,
    asked: &HeaderMap,
) -> Result<Response<Bytes>, Failure> {
    let rows = match statement(&query) {
        Some(statement) => ports.query(statement, &parameters(&query, ports.now())).await?,
        None => Rows::default(),
    };
    if rows.rows.is_empty()
        && let Some(currency) = query.currency
    {
        refuse_untraded(ports, currency).await?;
    }
    write(page(rows, &query)?, asked)
}

/// Chooses the statement of a list; `None` where nothing can be found.
fn statement(query: &ListQuery) -> Option<&'static str> {
    let lists = match query.sort {
        Sort::Newest => sql::NEWEST,
        Sort::PriceAsc => sql::PRICE_ASC,
        Sort::PriceDesc => sql::PRICE_DESC,
        Sort::Title => sql::TITLE,
        Sort::Relevance => sql::Lists {
            found: sql::RELEVANCE,
            found_category: sql::RELEVANCE_CATEGORY,
            ..sql::NEWEST
        },
    };
    match (&query.words, &query.category) {
        (Words::Any, None) => Some(lists.all),
        (Words::Any, Some(_)) => Some(lists.category),
        (Words::Match(_), None) => Some(lists.found),
        (Words::Match(_), Some(_)) => Some(lists.found_category),
        (Words::Nothing, _) => None,
    }
}

/// Binds `?1` to `?8`. One row more than the page tells whether there is another page.
fn parameters(query: &ListQuery, now: Timestamp) -> Vec<SqlValue> {
    let (key, id) = match &query.cursor {
        Some(cursor) => (cursor.key.clone(), cursor.id),
        None => match query.sort {
            Sort::Newest | Sort::PriceDesc => (SqlValue::Integer(i64::MAX), i64::MAX),
            Sort::PriceAsc => (SqlValue::Integer(i64::MIN), i64::MIN),
            Sort::Title => (SqlValue::Text(String::new()), i64::MIN),
            Sort::Relevance => (SqlValue::Real(f64::MIN), i64::MIN),
        },
    };
    let rows = i64::from(query.limit).saturating_add(1);
    let text = |text: &str| SqlValue::Text(text.to_owned());
    let words = match &query.words {
        Words::Match(expression) => text(expression),
        Words::Any | Words::Nothing => SqlValue::Null,
    };
    // All of them, also those that a statement does not have: the last two are in every one.
    vec![
        query.currency.map_or(SqlValue::Null, |currency| text(currency.code())),
        key,
        SqlValue::Integer(id),
        SqlValue::Integer(rows),
        query.category.as_ref().map_or(SqlValue::Null, |category| text(category.as_str())),
        words,
        SqlValue::Integer(now.unix_ms()),
        SqlValue::Integer(i64::from(query.only_available)),
    ]
}

fn page(
    rows: Rows,
    query: &ListQuery,
) -> Result<Page<api_types::catalogue::ProductSummary>, BadColumn> {
    let limit = usize::from(query.limit);
    let is_last = rows.rows.len() <= limit;
    let mut items = Vec::with_capacity(rows.rows.len().min(limit));
    let mut end = None;
    for row in rows.rows.into_iter().take(limit) {
        let listed = row::listed(row)?;
        items.push(listed.item);
        end = Some(Cursor { key: listed.key, id: listed.id });
    }
    let end = end.filter(|_| !is_last);
    Ok(Page { items, next_cursor: end.and_then(|cursor| cursor.seal(query.seal)) })
}

async fn product<P: Sql + Clock>(
    ports: &P,
    handle: Handle,
    currency: Option<Currency>,
    asked: &HeaderMap,
) -> Result<Response<Bytes>, Failure> {
    let code = currency.map_or(SqlValue::Null, |c| SqlValue::Text(c.code().to_owned()));
    let rows = ports.query(sql::PRODUCT, &[code, SqlValue::Text(handle.into())]).await?;
    let row = rows.rows.into_iter().next().ok_or_else(|| Problem::of(ErrorKind::NotFound))?;
    let found = row::product(row)?.ok_or_else(query::untraded_currency)?;
    let currency = found.product.price.currency;
    let bound = [SqlValue::Text(currency.code().to_owned()), SqlValue::Integer(found.id)];
    let rows = ports.query(sql::VARIANTS, &bound).await?;
    let now = ports.now();
    let variants = rows.rows.into_iter().map(|row| row::variant(row, currency, now));
    write(with_variants(found.product, variants.collect::<Result<_, _>>()?), asked)
}

/// Puts the default variant first and points to the AR manifests of those that have a model.
fn with_variants(mut product: Product, mut variants: Vec<Variant>) -> Product {
    variants.sort_by_key(|variant| variant.sku != product.sku);
    let manifests: BTreeMap<String, String> = variants
        .iter()
        .filter(|variant| variant.has_ar)
        .map(|variant| (variant.sku.to_string(), manifest_url(variant.sku.as_str())))
        .collect();
    let preferred =
        manifests.get(product.sku.as_str()).or_else(|| manifests.values().next()).cloned();
    product.ar = preferred.map(|manifest_url| ArReference { manifest_url, manifests });
    product.variants = variants;
    product
}

fn manifest_url(sku: &str) -> String {
    format!("/v1/ar/{sku}")
}

async fn categories<P: Sql>(ports: &P, asked: &HeaderMap) -> Result<Response<Bytes>, Failure> {
    let rows = ports.query(sql::CATEGORIES, &[]).await?;
    let items = rows.rows.into_iter().map(row::category).collect::<Result<_, _>>()?;
    write(Page { items, next_cursor: None }, asked)
}

/// An empty list in a currency that nothing is sold in is a mistake of the asker, not an empty shop.
async fn refuse_untraded<P: Sql>(ports: &P, currency: Currency) -> Result<(), Failure> {
    let bound = [SqlValue::Text(currency.code().to_owned())];
    let rows = ports.query(sql::CURRENCY_IS_TRADED, &bound).await?;
    match rows.rows.first().and_then(|row| row.first()) {
        Some(SqlValue::Integer(0)) => Err(query::untraded_currency().into()),
        _ => Ok(()),
    }
}
