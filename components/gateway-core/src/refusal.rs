//! Refusals: a problem for API clients, a small page for people.

use api_types::problem::Problem;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};

/// Turns a problem into the answer that suits who asked.
#[must_use]
pub fn answer(problem: Problem, path: &str, headers: &HeaderMap) -> Response<Bytes> {
    if !is_person(path, headers) {
        return problem.into_response();
    }
    let page = page(&problem);
    let mut response = problem.into_response();
    let length = HeaderValue::from(u64::try_from(page.len()).unwrap_or(u64::MAX));
    let head = response.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    head.insert(header::CONTENT_LENGTH, length);
    head.append(header::VARY, HeaderValue::from_static("accept"));
    *response.body_mut() = Bytes::from(page);
    response
}

/// People ask for HTML, outside the API.
fn is_person(path: &str, headers: &HeaderMap) -> bool {
    let is_api = ["/v1", "/admin/v1", "/openapi.json", "/.well-known"]
        .iter()
        .any(|prefix| path.starts_with(prefix));
    let accepts = headers.get_all(header::ACCEPT).iter();
    let wants_page = accepts
        .filter_map(|value| value.to_str().ok())
        .any(|text| text.to_ascii_lowercase().contains("text/html"));
    wants_page && !is_api
}

fn page(problem: &Problem) -> String {
    let title = escape(&problem.title);
    let detail = problem.detail.as_deref().map(escape);
    let detail = detail.map_or_else(String::new, |text| format!("<p>{text}</p>"));
    let again = problem.retry_after_s.map_or_else(String::new, |seconds| {
        format!("<p>Please try again in {seconds} seconds.</p>")
    });
    let id = problem.request_id.as_deref().map(escape);
    let id = id.map_or_else(String::new, |id| format!("<p><small>Request {id}</small></p>"));
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>body{{font:1rem/1.5 system-ui;max-width:32rem;margin:20vh auto;padding:0 1rem}}</style>\
         <h1>{title}</h1>{detail}{again}<p><a href=\"/\">Back to the shop</a></p>{id}</html>\n"
    )
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use domain::ErrorKind;

    use super::*;

    #[test]
    fn people_get_a_page_and_programs_a_problem() {
        for (path, accept, is_page) in [
            ("/", Some("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"), true),
            ("/p/x", Some("TEXT/HTML"), true),
            ("/v1/carts", Some("text/html"), false),
            ("/openapi.json", Some("text/html"), false),
            ("/", Some("application/json"), false),
            ("/", Some("*/*"), false),
            ("/", None, false),
        ] {
            let accept = accept.map(|text| (header::ACCEPT, HeaderValue::from_str(text).unwrap()));
            let problem = Problem::of(ErrorKind::RateLimited).retry_after(7).request_id("r1");
            let response = answer(problem, path, &HeaderMap::from_iter(accept));
            let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
            assert_eq!(kind.starts_with("text/html"), is_page, "{path}");
            assert_eq!(response.status(), 429);
            assert_eq!(response.headers()[header::RETRY_AFTER], "7");
            let length = response.headers()[header::CONTENT_LENGTH].to_str().unwrap();
            assert_eq!(length, response.body().len().to_string());
        }
    }

    #[test]
    fn pages_escape_what_they_say() {
        let problem = Problem::of(ErrorKind::Unreadable).detail("<script>\"'&").request_id("<i>");
        let page = page(&problem);
        assert!(page.contains("&lt;script&gt;&quot;&#39;&amp;") && page.contains("&lt;i&gt;"));
        assert!(!page.contains("<script>") && !page.contains("<i>"));
    }
}
