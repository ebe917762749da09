//! API keys.

use model::id::KeyId;
use model::key::{Key, KeyHash, Role};

use super::{at, tenant, uid};
use crate::drivers::StoreRig;

fn key(n: u16, role: Role) -> Key {
    Key {
        id: KeyId(uid(n)),
        name: format!("the \"{n}\"th"),
        role,
        hash: KeyHash::of(&format!("key {n}")),
        created_at: at(n.into()),
    }
}

async fn put(rig: &StoreRig, key: &Key) {
    rig.put_key(key.clone()).await.expect("a store keeps keys");
}

async fn find(rig: &StoreRig, text: &str) -> Option<Key> {
    rig.key(&KeyHash::of(text)).await.expect("a store finds keys")
}

async fn all(rig: &StoreRig) -> Vec<KeyId> {
    rig.keys().await.expect("a store lists keys").into_iter().map(|key| key.id).collect()
}

pub async fn a_key_is_found_by_its_hash(rig: &mut StoreRig) {
    let roles = [Role::Admin, Role::Publisher, Role::Viewer, Role::Tenant(tenant("a"))];
    for (n, role) in (1..).zip(roles.clone()) {
        put(rig, &key(n, role)).await;
    }
    for (n, role) in (1..).zip(roles) {
        let (given, found) = (key(n, role), find(rig, &format!("key {n}")).await);
        let found = found.expect("it was kept");
        assert_eq!((found.id, found.name, found.role), (given.id, given.name, given.role));
        assert_eq!(found.created_at, given.created_at);
        assert!(found.hash.matches(&given.hash));
    }
    assert!(find(rig, "key 9").await.is_none());
}

pub async fn a_key_with_the_same_id_is_replaced(rig: &mut StoreRig) {
    put(rig, &key(1, Role::Tenant(tenant("a")))).await;
    let other = Key { id: KeyId(uid(1)), ..key(2, Role::Viewer) };
    put(rig, &other).await;
    put(rig, &other).await;
    assert!(find(rig, "key 1").await.is_none());
    let found = find(rig, "key 2").await.expect("it was kept");
    assert_eq!((found.id, found.role, found.name), (other.id, other.role, other.name));
    assert_eq!(all(rig).await, [other.id]);
}

/// As several processes do that start at the same moment.
pub async fn a_key_may_be_put_by_several_at_once(rig: &mut StoreRig) {
    for n in 1..=10 {
        let putting = [(); 8].map(|()| {
            let (store, key) = (rig.shared(), key(n, Role::Admin));
            tokio::spawn(async move { store.put_key(key).await })
        });
        for put in putting {
            put.await.expect("it returns").expect("a store keeps keys");
        }
    }
    assert_eq!(all(rig).await.len(), 10);
}

pub async fn keys_are_listed_oldest_first(rig: &mut StoreRig) {
    assert_eq!(all(rig).await, []);
    for n in [2, 3, 1] {
        put(rig, &key(n, Role::Admin)).await;
    }
    assert_eq!(all(rig).await, [1, 2, 3].map(|n| KeyId(uid(n))));
}

pub async fn a_deleted_key_is_gone(rig: &mut StoreRig) {
    put(rig, &key(1, Role::Admin)).await;
    put(rig, &key(2, Role::Admin)).await;
    assert!(rig.delete_key(KeyId(uid(1))).await.expect("a store deletes"));
    assert!(!rig.delete_key(KeyId(uid(1))).await.expect("a store deletes"));
    assert!(find(rig, "key 1").await.is_none());
    assert_eq!(all(rig).await, [KeyId(uid(2))]);
}
