//! The block ciphers behind `encrypt`, `decrypt` and the `aes_*` functions.
//!
//! DES and unauthenticated CBC are here because old scripts use them; new ones should take AES in
//! GCM. Padding is PKCS #7; taking it off looks at the last byte only, as the reference does.

use aes::cipher::block_padding::NoPadding;
use aes::cipher::consts::{U12, U16};
use aes::cipher::{
    Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt,
    BlockSizeUser, KeyInit, KeyIvInit, StreamCipher,
};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::{Aead, Nonce};
use des::Des;

/// Why a text cannot be encrypted or decrypted. Says nothing of key or text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("unsupported encrypt method")]
    Method,
    #[error("crypto/aes: invalid key size {0}")]
    AesKey(usize),
    #[error("crypto/des: invalid key size {0}")]
    DesKey(usize),
    #[error("IV length must equal block size")]
    Iv,
    #[error("incorrect nonce length given to GCM")]
    Nonce,
    #[error("ciphertext is not a multiple of the block size")]
    PartBlock,
    #[error("crypto/cipher: input not full blocks")]
    PartBlockEcb,
    #[error("invalid padding")]
    Padding,
    #[error("cipher: message authentication failed")]
    Forged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Encrypt,
    Decrypt,
}

/// How `aes_*` chain blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Gcm,
    Cbc,
    Ctr,
}

impl Mode {
    /// In any case.
    pub fn named(name: &str) -> Option<Mode> {
        [("GCM", Mode::Gcm), ("CBC", Mode::Cbc), ("CTR", Mode::Ctr)]
            .into_iter()
            .find_map(|(known, mode)| known.eq_ignore_ascii_case(name).then_some(mode))
    }
}

/// With padding.
pub(super) fn encrypt(method: &[u8], key: &[u8], iv: &[u8], text: &[u8]) -> Result<Vec<u8>, Error> {
    match method {
        b"aes-cbc" => aes_cbc(Direction::Encrypt, key, iv, padded(text, AES_BLOCK)),
        b"des-cbc" => des_cbc(Direction::Encrypt, key, iv, padded(text, DES_BLOCK)),
        b"des-ecb" => des_ecb(Direction::Encrypt, key, padded(text, DES_BLOCK)),
        _ => Err(Error::Method),
    }
}

/// Takes the padding off.
pub(super) fn decrypt(method: &[u8], key: &[u8], iv: &[u8], text: &[u8]) -> Result<Vec<u8>, Error> {
    let text = text.to_vec();
    let plain = match method {
        b"aes-cbc" => aes_cbc(Direction::Decrypt, key, iv, text),
        b"des-cbc" => des_cbc(Direction::Decrypt, key, iv, text),
        b"des-ecb" => des_ecb(Direction::Decrypt, key, text),
        _ => Err(Error::Method),
    }?;
    unpadded(plain)
}

/// In CBC, encryption pads but decryption leaves the padding on: so the reference has it.
pub(super) fn aes(
    mode: Mode,
    direction: Direction,
    key: &[u8],
    iv: &[u8],
    data: &[u8],
) -> Result<Vec<u8>, Error> {
    match mode {
        Mode::Gcm => match key.len() {
            16 => gcm::<Aes128>(direction, key, iv, data),
            24 => gcm::<Aes192>(direction, key, iv, data),
            32 => gcm::<Aes256>(direction, key, iv, data),
            other => Err(Error::AesKey(other)),
        },
        Mode::Cbc if direction == Direction::Encrypt => {
            aes_cbc(direction, key, iv, padded(data, AES_BLOCK))
        }
        Mode::Cbc => aes_cbc(direction, key, iv, data.to_vec()),
        Mode::Ctr => match key.len() {
            16 => ctr::<Aes128>(key, iv, data),
            24 => ctr::<Aes192>(key, iv, data),
            32 => ctr::<Aes256>(key, iv, data),
            other => Err(Error::AesKey(other)),
        },
    }
}

fn aes_cbc(direction: Direction, key: &[u8], iv: &[u8], data: Vec<u8>) -> Result<Vec<u8>, Error> {
    match key.len() {
        16 => cbc::<Aes128>(direction, key, iv, data),
        24 => cbc::<Aes192>(direction, key, iv, data),
        32 => cbc::<Aes256>(direction, key, iv, data),
        other => Err(Error::AesKey(other)),
    }
}

/// The key's length was checked by the caller.
fn cbc<C>(direction: Direction, key: &[u8], iv: &[u8], mut data: Vec<u8>) -> Result<Vec<u8>, Error>
where
    C: BlockCipherEncrypt + BlockCipherDecrypt + KeyInit,
{
    let len = data.len();
    match direction {
        Direction::Encrypt => {
            let cipher = cbc::Encryptor::<C>::new_from_slices(key, iv).map_err(|_| Error::Iv)?;
            cipher.encrypt_padded::<NoPadding>(&mut data, len).map_err(|_| Error::PartBlock)?;
        }
        Direction::Decrypt => {
            let cipher = cbc::Decryptor::<C>::new_from_slices(key, iv).map_err(|_| Error::Iv)?;
            cipher.decrypt_padded::<NoPadding>(&mut data).map_err(|_| Error::PartBlock)?;
        }
    }
    Ok(data)
}

fn des_ecb(direction: Direction, key: &[u8], mut data: Vec<u8>) -> Result<Vec<u8>, Error> {
    let cipher = Des::new_from_slice(key).map_err(|_| Error::DesKey(key.len()))?;
    if !data.len().is_multiple_of(DES_BLOCK) {
        return Err(Error::PartBlockEcb);
    }
    for block in data.chunks_exact_mut(DES_BLOCK) {
        let Ok(block) = <&mut Block<Des>>::try_from(block) else { return Err(Error::PartBlockEcb) };
        match direction {
            Direction::Encrypt => cipher.encrypt_block(block),
            Direction::Decrypt => cipher.decrypt_block(block),
        }
    }
    Ok(data)
}

fn des_cbc(direction: Direction, key: &[u8], iv: &[u8], data: Vec<u8>) -> Result<Vec<u8>, Error> {
    if key.len() != DES_KEY {
        return Err(Error::DesKey(key.len()));
    }
    cbc::<Des>(direction, key, iv, data)
}

/// The tag of 16 bytes stands behind the text; there is no associated data.
fn gcm<C>(direction: Direction, key: &[u8], nonce: &[u8], data: &[u8]) -> Result<Vec<u8>, Error>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    let cipher = AesGcm::<C, U12>::new_from_slice(key).map_err(|_| Error::AesKey(key.len()))?;
    let nonce = Nonce::<AesGcm<C, U12>>::try_from(nonce).map_err(|_| Error::Nonce)?;
    match direction {
        Direction::Encrypt => cipher.encrypt(&nonce, data),
        Direction::Decrypt => cipher.decrypt(&nonce, data),
    }
    .map_err(|_| Error::Forged)
}

/// Both directions are the same.
fn ctr<C>(key: &[u8], iv: &[u8], data: &[u8]) -> Result<Vec<u8>, Error>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    let mut cipher = ctr::Ctr128BE::<C>::new_from_slices(key, iv).map_err(|_| Error::Iv)?;
    let mut data = data.to_vec();
    cipher.apply_keystream(&mut data);
    Ok(data)
}

fn padded(text: &[u8], block: usize) -> Vec<u8> {
    let padding = block - text.len() % block;
    let mut out = Vec::with_capacity(text.len() + padding);
    out.extend_from_slice(text);
    out.resize(text.len() + padding, padding as u8);
    out
}

fn unpadded(mut text: Vec<u8>) -> Result<Vec<u8>, Error> {
    let padding = text.last().copied().ok_or(Error::Padding)?;
    let len = text.len().checked_sub(usize::from(padding)).ok_or(Error::Padding)?;
    text.truncate(len);
    Ok(text)
}

const AES_BLOCK: usize = 16;
const DES_BLOCK: usize = 8;
const DES_KEY: usize = 8;
