//! Notices: who looks on live hears what changed, and that something was missed.

use std::time::Duration;

use store::{Item, LISTENING_FOR, Mark, NOTICES_KEPT, Noticed};
use tokio::time::{sleep, timeout};

use super::{item, lane};
use crate::drivers::QueueRig;

/// By when a process has heard that somebody listens.
const ENOUGH: Duration = Duration::from_secs(5);

async fn tell(rig: &QueueRig, changed: impl IntoIterator<Item = u8>) {
    let changed = changed.into_iter().map(|n| item(&lane("a", 1), n)).collect();
    rig.notice(changed).await.expect("a queue tells");
}

async fn ask(rig: &QueueRig, mark: Option<Mark>) -> Noticed {
    rig.noticed(mark, 1_000).await.expect("a queue says what was told")
}

/// Returns where somebody listens whom everybody knows of.
async fn listen(rig: &QueueRig) -> Mark {
    let begin = ask(rig, None).await;
    assert_eq!(begin.items, Vec::new());
    let mut mark = begin.mark;
    let known = async {
        loop {
            tell(rig, [255]).await;
            let noticed = ask(rig, Some(mark)).await;
            mark = noticed.mark;
            if !noticed.items.is_empty() {
                return mark;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(ENOUGH, known).await.expect("they hear of it soon")
}

fn items(changed: impl IntoIterator<Item = u8>) -> Vec<Item> {
    changed.into_iter().map(|n| item(&lane("a", 1), n)).collect()
}

pub async fn what_is_told_is_heard_in_order(rig: &QueueRig) {
    let begin = listen(rig).await;
    tell(rig, [1, 2]).await;
    tell(rig, [3]).await;
    let first = ask(rig, Some(begin)).await;
    assert_eq!((first.items, first.missed), (items([1, 2, 3]), false));
    let second = ask(rig, Some(first.mark)).await;
    assert_eq!((second.items, second.missed), (Vec::new(), false));
    tell(rig, [4]).await;
    assert_eq!(ask(rig, Some(second.mark)).await.items, items([4]));
    // Who was not there meanwhile goes on from where they were.
    assert_eq!(ask(rig, Some(begin)).await.items, items([1, 2, 3, 4]));
    assert_eq!(ask(rig, None).await.items, Vec::new());
}

pub async fn what_is_told_to_nobody_is_not_kept(rig: &QueueRig) {
    tell(rig, [1]).await;
    let begin = ask(rig, None).await;
    assert_eq!(begin.items, Vec::new());
    let noticed = ask(rig, Some(begin.mark)).await;
    assert_eq!((noticed.items, noticed.missed), (Vec::new(), false));
}

pub async fn a_mark_of_elsewhere_has_missed_something(rig: &QueueRig) {
    let now = listen(rig).await;
    for mark in [Mark { major: 7, minor: 7 }, Mark::default(), Mark { minor: now.minor + 9, ..now }]
    {
        let noticed = ask(rig, Some(mark)).await;
        assert_eq!((noticed.items, noticed.missed), (Vec::new(), true), "{mark:?}");
        let next = ask(rig, Some(noticed.mark)).await;
        assert_eq!((next.items, next.missed), (Vec::new(), false));
    }
}

pub async fn what_is_kept_is_bounded_and_who_missed_some_is_told(rig: &QueueRig) {
    let begin = listen(rig).await;
    let many: Vec<u8> = (0..=249).cycle().take(1_000).collect();
    for _ in 0..8 * NOTICES_KEPT / many.len() {
        tell(rig, many.clone()).await;
    }
    let noticed = ask(rig, Some(begin)).await;
    assert_eq!((noticed.items.len(), noticed.missed), (0, true));
}

pub async fn who_comes_back_when_nobody_listened_has_missed_something(rig: &QueueRig) {
    let mark = listen(rig).await;
    sleep(LISTENING_FOR + Duration::from_millis(200)).await;
    tell(rig, [1]).await;
    let noticed = ask(rig, Some(mark)).await;
    assert_eq!((noticed.items, noticed.missed), (Vec::new(), true));
}

pub async fn a_batch_larger_than_was_asked_for_comes_in_parts(rig: &QueueRig) {
    let mut mark = listen(rig).await;
    tell(rig, (0..=249).cycle().take(3_000)).await;
    let mut heard = Vec::new();
    loop {
        let noticed = ask(rig, Some(mark)).await;
        assert!(noticed.items.len() < 2_000 && !noticed.missed);
        mark = noticed.mark;
        if noticed.items.is_empty() {
            break;
        }
        heard.extend(noticed.items);
    }
    assert_eq!(heard, items((0..=249).cycle().take(3_000)));
}
