---@meta crypto

--- Digests, HMAC, ciphers and Base64: the union of the two libraries of that name. `raw` returns
--- bytes instead of hexadecimal digits.
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

--- The HMAC of the data under the key.
---@param algorithm "md5"|"sha1"|"sha256"|"sha512"
---@param data string
---@param key string
---@param raw? any
---@return string?
---@return string? error
function crypto.hmac(algorithm, data, key, raw) end

--- Encodes as Base64.
---@param data string
---@return string
function crypto.base64_encode(data) end

--- Decodes Base64.
---@param text string
---@return string?
---@return string? error
function crypto.base64_decode(text) end

--- Encodes as URL-safe Base64.
---@param data string
---@return string
function crypto.base64_url_encode(data) end

--- Decodes URL-safe Base64.
---@param text string
---@return string?
---@return string? error
function crypto.base64_url_decode(text) end

--- Encrypts. The result is hexadecimal unless `options` is `RAW_DATA`.
---@param data string
---@param method "aes-cbc"|"des-cbc"|"des-ecb"
---@param key string
---@param options? integer
---@param iv? string
---@return string?
---@return string? error
function crypto.encrypt(data, method, key, options, iv) end

--- Decrypts.
---@param data string
---@param method "aes-cbc"|"des-cbc"|"des-ecb"
---@param key string
---@param options? integer
---@param iv? string
---@return string?
---@return string? error
function crypto.decrypt(data, method, key, options, iv) end

--- Takes and returns bytes. The modes are GCM, CBC and CTR.
---@param mode string
---@param key string
---@param iv string
---@param data string
---@return string?
---@return string? error
function crypto.aes_encrypt(mode, key, iv, data) end

--- Takes and returns bytes.
---@param mode string
---@param key string
---@param iv string
---@param data string
---@return string?
---@return string? error
function crypto.aes_decrypt(mode, key, iv, data) end

--- As above; all arguments but the mode, and the result, are hexadecimal.
---@param mode string
---@param key string
---@param iv string
---@param data string
---@return string?
---@return string? error
function crypto.aes_encrypt_hex(mode, key, iv, data) end

--- As above; all arguments but the mode, and the result, are hexadecimal.
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
