---@meta json

--- Lua values to JSON text and back.
---@class json
local json = {}

--- Writes values, each with a line end.
---@class json.Encoder
local Encoder = {}

--- Writes one value.
---@param value any
---@return string? error
function Encoder:encode(value) end

--- Each member on a line of its own.
---@param prefix string
---@param indent string
function Encoder:set_indent(prefix, indent) end

--- Whether < > & are escaped; they are by default.
---@param on boolean
function Encoder:set_escape_HTML(on) end

--- Reads values, one behind the other.
---@class json.Decoder
local Decoder = {}

--- The next value; `nil, "EOF"` at the end.
---@return any
---@return string? error
function Decoder:decode() end

--- Whether there is another value in front of a closing bracket.
---@return boolean
function Decoder:more() end

--- How many bytes were decoded.
---@return integer
function Decoder:input_offset() end

--- The text of a value. Objects have their keys sorted; an empty table is [].
---@param value any
---@return string?
---@return string? error
function json.encode(value) end

--- The value of a text. Nulls vanish.
---@param text string
---@return any
---@return string? error
function json.decode(text) end

--- From now on the table is {} when it is empty.
---@param t table
function json.tableIsObject(t) end

--- Writes a value per call.
---@param writer table|userdata
---@return json.Encoder
function json.new_encoder(writer) end

--- Reads a value per call.
---@param reader table|userdata
---@return json.Decoder
function json.new_decoder(reader) end

return json
