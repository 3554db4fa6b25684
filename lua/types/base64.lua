---@meta base64

--- Base64 in the four usual encodings and with custom alphabets.
---@class base64
---@field StdEncoding base64.Encoding padded
---@field URLEncoding base64.Encoding padded, for URLs
---@field RawStdEncoding base64.Encoding without padding
---@field RawURLEncoding base64.Encoding for URLs, without padding
local base64 = {}

--- A Base64 encoding.
---@class base64.Encoding
local Encoding = {}

--- Encodes.
---@param bytes string
---@return string
function Encoding:encode_to_string(bytes) end

--- Decodes.
---@param text string
---@return string?
---@return string? error
function Encoding:decode_string(text) end

--- A source of text.
---@class base64.Reader
local Reader = {}

--- A line; with `*a` all, with `*n` a number, with a number, that many bytes.
---@param format? string|integer
---@return string|number|nil
function Reader:read(format) end

--- Stops reading.
function Reader:close() end

--- Writes to its target.
---@class base64.Writer
local Writer = {}

--- Writes its arguments.
---@param ... string|number
function Writer:write(...) end

--- Writes the remaining data.
function Writer:close() end

--- Creates an encoding with these 64 characters and padding.
---@param alphabet string
---@return base64.Encoding
function base64.new_encoding(alphabet) end

--- Encodes what is written.
---@param encoding base64.Encoding
---@param writer table|userdata
---@return base64.Writer
function base64.new_encoder(encoding, writer) end

--- Decodes what is read.
---@param encoding base64.Encoding
---@param reader table|userdata
---@return base64.Reader
function base64.new_decoder(encoding, reader) end

base64.StdEncoding = Encoding
base64.URLEncoding = Encoding
base64.RawStdEncoding = Encoding
base64.RawURLEncoding = Encoding

return base64
