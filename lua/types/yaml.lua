---@meta yaml

--- Converts YAML documents to Lua values and back. Scalars follow YAML 1.1.
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

--- The next document; `nil, "EOF"` at the end.
---@return any
---@return string? error
function Decoder:decode() end

--- Whether duplicate keys are errors. Call it before the first `decode`.
---@param on boolean
function Decoder:set_strict(on) end

--- Decodes the first document.
---@param text string
---@return any
---@return string? error
function yaml.decode(text) end

--- Encodes a value as a document.
---@param value any
---@return string?
---@return string? error
function yaml.encode(value) end

--- Creates an encoder that writes a document per call.
---@param writer table|userdata
---@return yaml.Encoder
function yaml.new_encoder(writer) end

--- Creates a decoder that reads a document per call.
---@param reader table|userdata
---@return yaml.Decoder
function yaml.new_decoder(reader) end

return yaml
