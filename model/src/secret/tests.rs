use super::*;
use crate::id::Uid;
use proptest::prelude::*;

fn encoded(bytes: usize) -> String {
    format!("whsec_{}", BASE64.encode(vec![7; bytes]))
}

#[test]
fn a_secret_of_24_to_64_bytes_is_taken_with_or_without_padding() {
    for bytes in [24, 25, 26, 32, 64] {
        let text = encoded(bytes);
        let secret = Secret::parse(&text).expect("valid");
        assert_eq!((secret.expose(), secret.key()), (&text[..], &vec![7; bytes][..]));
        let unpadded = Secret::parse(text.trim_end_matches('=')).expect("valid");
        assert_eq!(unpadded.expose(), text.trim_end_matches('='));
        assert_eq!(unpadded.key(), secret.key());
    }
}

#[test]
fn e27_other_texts_are_no_secrets() {
    let good = encoded(32);
    let rows = [
        "",
        "whsec_",
        "whsec_%",
        "whsec_====",
        &encoded(23),
        &encoded(65),
        &encoded(10_000),
        "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
        "hwsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZI-2La_aSw",
        " ",
        &format!(" {good}"),
        &format!("{good} "),
        &format!("{good}\n"),
        "whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjU PD8ILPZIo2LaLaSw",
        // Bits after the last byte: a second text for the same key.
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBx",
    ];
    for text in rows {
        assert_eq!(Secret::parse(text).err().map(|e| e.code), Some("secret_invalid"), "{text:?}");
    }
}

#[test]
fn a_new_secret_is_read_back_from_its_own_text() {
    let random: [u8; 32] = std::array::from_fn(|n| n as u8);
    let secret = Secret::from_random(random);
    assert_eq!(secret.key(), random);
    assert_eq!(secret.expose(), "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    assert_eq!(Secret::parse(secret.expose()).expect("valid").key(), random);
}

#[test]
fn nothing_secret_can_be_printed() {
    let shown = format!(
        "{:?} {:?} {:?}",
        Secret::from_random([b'A'; 32]),
        MasterKeys::from_bytes([b'A'; 32]),
        Sealed(vec![b'A'; 9]),
    );
    assert_eq!(shown, "Secret(…) MasterKeys(1 …) Sealed(9 bytes)");
}

#[test]
fn a_ring_is_read_in_hex_or_base64() {
    let hex = "AB".repeat(32);
    let base64 = BASE64.encode([0xab; 32]);
    let sealed = MasterKeys::from_bytes([0xab; 32]).seal(b"x", b"", [0; 24]);
    let rows = [
        &hex[..],
        &hex.to_lowercase(),
        &base64,
        base64.trim_end_matches('='),
        &format!(" {hex} , {base64}"),
    ];
    for text in rows {
        let ring = MasterKeys::parse(text).expect("valid");
        assert_eq!(ring.open(&sealed, b""), Ok(b"x".to_vec()), "{text}");
    }
    let rows = [
        "",
        ",",
        "abc",
        &hex[1..],
        &format!("{hex},"),
        &format!("{hex}00"),
        &"é".repeat(32),
        &"g".repeat(64),
        &"=".repeat(44),
        &"_".repeat(43),
    ];
    for text in rows {
        assert_eq!(
            MasterKeys::parse(text).err().map(|e| e.code),
            Some("master_key_invalid"),
            "{text}"
        );
    }
}

#[test]
fn the_first_key_encrypts_and_all_decrypt() {
    let [old, new] = ["01", "02"].map(|byte| byte.repeat(32));
    let before = MasterKeys::parse(&old).expect("valid");
    let rotated = MasterKeys::parse(&format!("{new},{old}")).expect("valid");
    let after = MasterKeys::parse(&new).expect("valid");
    let [first, second] = [&before, &rotated].map(|ring| ring.seal(b"text", b"a", [5; 24]));
    assert_eq!(rotated.open(&first, b"a"), Ok(b"text".to_vec()));
    assert_eq!(after.open(&second, b"a"), Ok(b"text".to_vec()));
    assert_eq!(after.open(&first, b"a"), Err(OpenError::UnknownKey));
}

#[test]
fn a_ciphertext_says_why_it_does_not_open() {
    let ring = MasterKeys::from_bytes([1; 32]);
    let sealed = ring.seal(b"text", b"a", [5; 24]);
    assert_eq!(sealed.0.len(), 1 + 4 + 24 + 4 + 16);
    assert_eq!(&sealed.0[5..29], &[5; 24]);
    for length in 0..sealed.0.len() {
        let cut = Sealed(sealed.0[..length].to_vec());
        assert_eq!(ring.open(&cut, b"a"), Err(OpenError::Damaged), "{length}");
    }
    let mut newer = sealed.clone();
    newer.0[0] = 2;
    assert_eq!(ring.open(&newer, b"a"), Err(OpenError::UnknownVersion));
}

#[test]
fn a_ciphertext_is_base64_in_json() {
    let sealed = Sealed(vec![0, 1, 255]);
    let json = serde_json::to_string(&sealed).expect("a string");
    assert_eq!(json, r#""AAH/""#);
    assert_eq!(serde_json::from_str::<Sealed>(&json).expect("the same"), sealed);
    assert!(serde_json::from_str::<Sealed>(r#""%""#).is_err());
}

proptest! {
    #[test]
    fn what_was_sealed_opens_for_its_own_webhook_only(
        key: [u8; 32], nonce: [u8; 24], plain: Vec<u8>, webhook: [u8; 16], other: [u8; 16], bit: usize,
    ) {
        prop_assume!(webhook != other);
        let ring = MasterKeys::from_bytes(key);
        let context = |tenant, webhook| {
            webhook_context(&Tenant::parse(tenant).expect("valid"), WebhookId(Uid(webhook)))
        };
        let own = context("a", webhook);
        let mut sealed = ring.seal(&plain, &own, nonce);
        prop_assert_eq!(ring.open(&sealed, &own), Ok(plain));
        for moved in [context("a", other), context("b", webhook), vec![]] {
            prop_assert_eq!(ring.open(&sealed, &moved), Err(OpenError::Damaged));
        }
        let bit = bit % (sealed.0.len() * 8);
        sealed.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(ring.open(&sealed, &own).is_err());
    }
}
