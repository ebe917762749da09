//! PostgreSQL and Redis as providers have them: TLS alone, certificates of an authority, and users
//! with passwords who may do no more than they need.

use std::sync::Arc;

use serde_json::json;

use crate::harness::certificates::Certificates;
use crate::harness::fleet::Fleet;
use crate::harness::servers::Server;
use crate::harness::{Process, Receiver, Reply, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_works_over_tls_and_with_users_of_its_own() {
    let certificates = Arc::new(Certificates::new());
    let postgres = Server::postgres_over_tls(certificates.clone()).await;
    let redis = Server::redis_over_tls(certificates).await;
    let mut fleet = Fleet::over(postgres, redis, 2, 2).await;
    let receiver = Receiver::start().await;
    receiver.script("/a", [Reply::status(500)]);
    let retry = json!({ "policy": "schedule", "delays_ms": [200] });
    fleet.client().register(&receiver.url("/a"), json!({ "retry": retry })).await;
    for n in 0..20 {
        let event = fleet.doors()[n % 2].publish("a", json!(n)).await;
        fleet.client().delivery_that_is("delivered", &event).await;
    }
    // What is forgotten is fed again, and a broken connection is made again, here too.
    fleet.redis.tell(&["FLUSHALL"]);
    fleet.redis.tell(&["CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES"]);
    fleet.postgres.kill_9().await;
    fleet.postgres.start().await;
    fleet.apis[0].ready().await;
    let event = fleet.client().publish("a", json!("again")).await;
    fleet.client().delivery_that_is("delivered", &event).await;
    // Nothing was refused on the way.
    for log in fleet.workers.iter().chain(fleet.apis.iter().map(|api| &api.process)) {
        assert!(!log.log().contains("NOPERM"), "{}", log.log());
    }
    assert_eq!(fleet.redis.tell(&["ACL", "LOG"]), "");
}

/// Who does not know the authority trusts nobody, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let certificates = Arc::new(Certificates::new());
    let postgres = Server::postgres_over_tls(certificates.clone()).await;
    let redis = Server::redis_over_tls(certificates).await;
    let fleet = Fleet::over(postgres, redis, 0, 0).await;
    let known = ["SSL_CERT_FILE", "POSTRIDER_DATABASE_URL", "POSTRIDER_REDIS_URL"];
    let trusted: Vec<_> =
        fleet.env().into_iter().filter(|(name, _)| !known.contains(&name.as_str())).collect();
    let plain = (Server::postgres().await, Server::redis().await);
    let (database, redis) = ("POSTRIDER_DATABASE_URL", "POSTRIDER_REDIS_URL");
    for (database_url, redis_url) in
        [(fleet.postgres.url(), plain.1.url()), (plain.0.url(), fleet.redis.url())]
    {
        let mut env = trusted.clone();
        env.push((database.to_owned(), database_url));
        env.push((redis.to_owned(), redis_url));
        if env.iter().any(|(_, value)| *value == plain.0.url()) {
            let mut migrate = Process::start(vec!["migrate".into()], env.clone());
            wait_until("the tables are made", async || migrate.ended()).await;
        }
        let worker = Process::start(vec!["worker".into()], env);
        wait_until("it says what is the matter", async || {
            worker.log().contains("UnknownIssuer").then_some(())
        })
        .await;
    }
}
