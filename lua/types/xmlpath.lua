---@meta xmlpath

--- Parts of a page by XPath. Every text is read as HTML.
---@class xmlpath
local xmlpath = {}

--- A part of a page.
---@class xmlpath.Node
local Node = {}

--- The text inside it; of an attribute its value.
---@return string
function Node:string() end

--- A compiled path.
---@class xmlpath.Path
local Path = {}

--- The parts that the path leads to.
---@param node xmlpath.Node
---@return xmlpath.Node[]
function Path:iter(node) end

--- The page.
---@param text string
---@return xmlpath.Node?
---@return string? error
function xmlpath.load(text) end

--- A path.
---@param path string
---@return xmlpath.Path?
---@return string? error
function xmlpath.compile(path) end

return xmlpath
