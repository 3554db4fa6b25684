---@meta template

--- Text templates. The only engine is mustache.
---@class template
local template = {}

--- Renders Mustache templates. Partials are refused.
---@class template.Engine
local Engine = {}

--- Renders a template with values.
---@param text string
---@param values table<string, any>
---@return string?
---@return string? error
function Engine:render(text, values) end

--- Renders a template file. Waits.
---@param path string
---@param values table<string, any>
---@return string?
---@return string? error
function Engine:render_file(path, values) end

--- Selects an engine.
---@param engine "mustache"
---@return template.Engine?
---@return string? error
function template.choose(engine) end

return template
