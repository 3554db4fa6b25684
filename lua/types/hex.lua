---@meta hex

--- Hexadecimal encoding.
---@class hex
local hex = {}

--- A source of text.
---@class hex.Reader
local Reader = {}

--- A line; with `*a` all, with `*n` a number, with a number, that many bytes.
---@param format? string|integer
---@return string|number|nil
function Reader:read(format) end

--- Stops reading.
function Reader:close() end

--- Writes to its target.
---@class hex.Writer
local Writer = {}

--- Writes its arguments.
---@param ... string|number
function Writer:write(...) end

--- Writes the remaining data.
function Writer:close() end

--- Encodes, in lower case.
---@param bytes string
---@return string
function hex.encode_to_string(bytes) end

--- Decodes.
---@param text string
---@return string?
---@return string? error
function hex.decode_string(text) end

--- Encodes what is written.
---@param writer table|userdata
---@return hex.Writer
function hex.new_encoder(writer) end

--- Decodes what is read.
---@param reader table|userdata
---@return hex.Reader
function hex.new_decoder(reader) end

return hex
