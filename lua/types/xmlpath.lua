---@meta xmlpath

--- Finds parts of a page by XPath. Every text is parsed as HTML.
---@class xmlpath
local xmlpath = {}

--- A node of a page.
---@class xmlpath.Node
local Node = {}

--- The text content; of an attribute, its value.
---@return string
function Node:string() end

--- A compiled path.
---@class xmlpath.Path
local Path = {}

--- The nodes that the path selects.
---@param node xmlpath.Node
---@return xmlpath.Node[]
function Path:iter(node) end

--- Parses a page.
---@param text string
---@return xmlpath.Node?
---@return string? error
function xmlpath.load(text) end

--- Compiles a path.
---@param path string
---@return xmlpath.Path?
---@return string? error
function xmlpath.compile(path) end

return xmlpath
