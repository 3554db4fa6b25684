---@meta json

--- Converts Lua values to JSON text and back.
---@class json
local json = {}

--- Writes values, each followed by a line break.
---@class json.Encoder
local Encoder = {}

--- Writes one value.
---@param value any
---@return string? error
function Encoder:encode(value) end

--- Puts each member on its own line.
---@param prefix string
---@param indent string
function Encoder:set_indent(prefix, indent) end

--- Whether < > & are escaped; the default is true.
---@param on boolean
function Encoder:set_escape_HTML(on) end

--- Reads consecutive values.
---@class json.Decoder
local Decoder = {}

--- The next value; `nil, "EOF"` at the end.
---@return any
---@return string? error
function Decoder:decode() end

--- Whether another value follows before a closing bracket.
---@return boolean
function Decoder:more() end

--- The number of bytes decoded so far.
---@return integer
function Decoder:input_offset() end

--- Encodes a value. Object keys are sorted; an empty table is [].
---@param value any
---@return string?
---@return string? error
function json.encode(value) end

--- Decodes a text. Nulls are dropped.
---@param text string
---@return any
---@return string? error
function json.decode(text) end

--- Marks a table as an object, so that it is {} when empty.
---@param t table
function json.tableIsObject(t) end

--- Creates an encoder that writes a value per call.
---@param writer table|userdata
---@return json.Encoder
function json.new_encoder(writer) end

--- Creates a decoder that reads a value per call.
---@param reader table|userdata
---@return json.Decoder
function json.new_decoder(reader) end

return json
