---@meta yaml

--- YAML documents to Lua values and back. Words mean what they mean in YAML 1.1.
---@class yaml
local yaml = {}

--- Writes documents, with --- between them.
---@class yaml.Encoder
local Encoder = {}

--- Writes one document.
---@param value any
---@return string? error
function Encoder:encode(value) end

--- Reads documents.
---@class yaml.Decoder
local Decoder = {}

--- The next one; `nil, "EOF"` at the end.
---@return any
---@return string? error
function Decoder:decode() end

--- Whether a key may be given only once. Before the first decode.
---@param on boolean
function Decoder:set_strict(on) end

--- The value of the first document.
---@param text string
---@return any
---@return string? error
function yaml.decode(text) end

--- The document of a value.
---@param value any
---@return string?
---@return string? error
function yaml.encode(value) end

--- Writes a document per call.
---@param writer table|userdata
---@return yaml.Encoder
function yaml.new_encoder(writer) end

--- Reads a document per call.
---@param reader table|userdata
---@return yaml.Decoder
function yaml.new_decoder(reader) end

return yaml
