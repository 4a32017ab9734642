//! What approvals need of the world: the time, random numbers, a seal, and a store to ask.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use egress_guard_core::session::approval::{Notary, Standing, Waiting};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use sha2::{Digest, Sha256};
use std::{
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

/// Where calls wait that somebody else than the client's person decides about.
pub trait Register: Send + Sync {
    /// What is decided about the call; keeps it if it is new.
    fn look_up(&self, call: &Waiting) -> Standing;
}

/// Seals with AES-256-GCM under a key of this process, or one that several share.
pub struct Seal {
    key: LessSafeKey,
    random: SystemRandom,
    register: Option<Box<dyn Register>>,
}

impl Seal {
    /// `secret` is what processes share that accept each other's seals.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new(
        secret: Option<&[u8]>,
        register: Option<Box<dyn Register>>,
    ) -> Result<Self, &'static str> {
        let random = SystemRandom::new();
        let mut bytes = [0_u8; 32];
        match secret {
            Some(secret) => bytes = Sha256::digest(secret).into(),
            None => random
                .fill(&mut bytes)
                .map_err(|_| "the system gives no random bytes")?,
        }
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| "the key has no valid size")?;
        Ok(Self {
            key: LessSafeKey::new(key),
            random,
            register,
        })
    }
}

impl Notary for Seal {
    fn now(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        // A clock before 1970 would make everything last for ever.
        now.map_or(u64::MAX, |now| now.as_secs())
    }

    fn number(&self) -> Option<String> {
        let mut bytes = [0_u8; 16];
        self.random.fill(&mut bytes).ok()?;
        Some(bytes.iter().fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        }))
    }

    fn seal(&self, text: &[u8]) -> Option<String> {
        let mut nonce = [0_u8; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut sealed = text.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut sealed,
            )
            .ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    fn open(&self, sealed: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut rest = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = self
            .key
            .open_in_place(nonce, Aad::empty(), &mut rest)
            .ok()?;
        Some(text.to_vec())
    }

    fn look_up(&self, call: &Waiting) -> Standing {
        match &self.register {
            Some(register) => register.look_up(call),
            None => Standing::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_with_the_key_is_opened() {
        let seal = Seal::new(Some(b"k"), None).unwrap();
        let sealed = seal.seal(b"state").unwrap();
        assert_eq!(seal.open(&sealed).as_deref(), Some(&b"state"[..]));
        let same = Seal::new(Some(b"k"), None).unwrap();
        assert_eq!(same.open(&sealed).as_deref(), Some(&b"state"[..]));
        assert_eq!(Seal::new(None, None).unwrap().open(&sealed), None);
        for place in 0..sealed.len() {
            let mut torn = sealed.clone().into_bytes();
            torn[place] = if torn[place] == b'A' { b'B' } else { b'A' };
            let torn = String::from_utf8(torn).unwrap();
            // The last character has bits that stand for nothing; the decoder refuses those too.
            assert_eq!(seal.open(&torn), None, "{place}");
        }
        assert_eq!(seal.open(""), None);
        assert_ne!(seal.seal(b"state"), Some(sealed));
    }
}
