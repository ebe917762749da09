//! The two formats that metrics are read in: OpenMetrics, and the one before it for programs that read
//! nothing else. They differ in what a counter and an info are called above their samples.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::http::header;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
pub const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a client takes: OpenMetrics, unless it names only the older one.
pub fn wanted(request: &HttpRequest) -> &'static str {
    let accepts = request.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    let accepts: Vec<_> = accepts.collect();
    let names = |format| accepts.iter().any(|accept| accept.contains(format));
    if names("text/plain") && !names("application/openmetrics-text") { PLAIN } else { OPEN_METRICS }
}

/// Every metric, in that format.
pub fn exposed(registry: &Registry, format: &str) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    // As metrics are written that have no labels, whatever they are kept in. No label ends like that.
    let text = text.replace("{} ", " ");
    Ok(if format == PLAIN { plain(&text) } else { text })
}

fn plain(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // It stands before the type that says how its metric is called.
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(said) = line.strip_prefix("# HELP ") {
            help = said;
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|said| said.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                _ => ("", kind),
            };
            let meaning = help.split_once(' ').map_or("", |(_, meaning)| meaning);
            text.push_str(&format!("# HELP {name}{suffix} {meaning}\n"));
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn who_names_only_the_older_format_gets_it() {
        for (accept, expected) in [
            ("", OPEN_METRICS),
            ("*/*", OPEN_METRICS),
            ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", OPEN_METRICS),
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", PLAIN),
        ] {
            let request = TestRequest::default().insert_header((header::ACCEPT, accept));
            assert_eq!(wanted(&request.to_http_request()), expected, "{accept}");
        }
    }

    #[test]
    fn the_older_format_calls_a_counter_and_an_info_by_their_samples() {
        let open = "# HELP a Counted.\n# TYPE a counter\na_total{b=\"c\"} 1\n\
                    # HELP v What.\n# TYPE v info\nv_info{version=\"1\"} 1\n\
                    # HELP g Seen.\n# TYPE g gauge\ng 2\n# EOF\n";
        let plain = "# HELP a_total Counted.\n# TYPE a_total counter\na_total{b=\"c\"} 1\n\
                     # HELP v_info What.\n# TYPE v_info gauge\nv_info{version=\"1\"} 1\n\
                     # HELP g Seen.\n# TYPE g gauge\ng 2\n";
        assert_eq!(super::plain(open), plain);
    }
}
