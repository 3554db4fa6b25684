---@meta hex

--- Hexadecimal digits.
---@class hex
local hex = {}

--- A text to be read.
---@class hex.Reader
local Reader = {}

--- A line; with `*a` all, with `*n` a number, with a number so many bytes.
---@param format? string|integer
---@return string|number|nil
function Reader:read(format) end

--- Ends reading.
function Reader:close() end

--- Writes what it is given.
---@class hex.Writer
local Writer = {}

--- Writes its arguments.
---@param ... string|number
function Writer:write(...) end

--- Writes what is left.
function Writer:close() end

--- In lower case.
---@param bytes string
---@return string
function hex.encode_to_string(bytes) end

--- The bytes.
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
