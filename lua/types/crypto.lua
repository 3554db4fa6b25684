---@meta crypto

--- Digests, HMAC, ciphers, base64: the union of the two libraries of that name. `raw` asks for bytes instead of hexadecimal digits.
---@class crypto
---@field RAW_DATA integer
---@field ZERO_PADDING integer without effect
---@field GCM string
---@field CBC string
---@field CTR string
---@field _VERSION string
---@field _DEBUG boolean
local crypto = {}

--- MD5.
---@param data string
---@param raw? any
---@return string
function crypto.md5(data, raw) end

--- SHA-1.
---@param data string
---@param raw? any
---@return string
function crypto.sha1(data, raw) end

--- SHA-256.
---@param data string
---@param raw? any
---@return string
function crypto.sha256(data, raw) end

--- SHA-512.
---@param data string
---@param raw? any
---@return string
function crypto.sha512(data, raw) end

--- CRC-32.
---@param data string
---@param raw? any
---@return string
function crypto.crc32(data, raw) end

--- The data's code under a key.
---@param algorithm "md5"|"sha1"|"sha256"|"sha512"
---@param data string
---@param key string
---@param raw? any
---@return string?
---@return string? error
function crypto.hmac(algorithm, data, key, raw) end

--- Base64.
---@param data string
---@return string
function crypto.base64_encode(data) end

--- The bytes.
---@param text string
---@return string?
---@return string? error
function crypto.base64_decode(text) end

--- Base64 for URLs.
---@param data string
---@return string
function crypto.base64_url_encode(data) end

--- The bytes.
---@param text string
---@return string?
---@return string? error
function crypto.base64_url_decode(text) end

--- The ciphertext, hexadecimal unless options is RAW_DATA.
---@param data string
---@param method "aes-cbc"|"des-cbc"|"des-ecb"
---@param key string
---@param options? integer
---@param iv? string
---@return string?
---@return string? error
function crypto.encrypt(data, method, key, options, iv) end

--- The bytes.
---@param data string
---@param method "aes-cbc"|"des-cbc"|"des-ecb"
---@param key string
---@param options? integer
---@param iv? string
---@return string?
---@return string? error
function crypto.decrypt(data, method, key, options, iv) end

--- Bytes in and out; modes are GCM, CBC, CTR.
---@param mode string
---@param key string
---@param iv string
---@param data string
---@return string?
---@return string? error
function crypto.aes_encrypt(mode, key, iv, data) end

--- Bytes in and out.
---@param mode string
---@param key string
---@param iv string
---@param data string
---@return string?
---@return string? error
function crypto.aes_decrypt(mode, key, iv, data) end

--- All but the mode hexadecimal.
---@param mode string
---@param key string
---@param iv string
---@param data string
---@return string?
---@return string? error
function crypto.aes_encrypt_hex(mode, key, iv, data) end

--- All but the mode hexadecimal.
---@param mode string
---@param key string
---@param iv string
---@param data string
---@return string?
---@return string? error
function crypto.aes_decrypt_hex(mode, key, iv, data) end

crypto.RAW_DATA = 0
crypto.ZERO_PADDING = 0
crypto.GCM = ""
crypto.CBC = ""
crypto.CTR = ""
crypto._VERSION = ""
crypto._DEBUG = false

return crypto
