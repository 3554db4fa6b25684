---@meta template

--- Texts with places for values. The one engine is mustache.
---@class template
local template = {}

--- Renders Mustache templates. Partials are refused.
---@class template.Engine
local Engine = {}

--- The text with the values in it.
---@param text string
---@param values table<string, any>
---@return string?
---@return string? error
function Engine:render(text, values) end

--- The same for a file. Waits.
---@param path string
---@param values table<string, any>
---@return string?
---@return string? error
function Engine:render_file(path, values) end

--- An engine.
---@param engine "mustache"
---@return template.Engine?
---@return string? error
function template.choose(engine) end

return template
