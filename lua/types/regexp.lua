---@meta regexp

--- Regular expressions in RE2 syntax.
---@class regexp
local regexp = {}

--- A compiled pattern.
---@class regexp.Regexp
local Regexp = {}

--- Whether the pattern matches anywhere in the text.
---@param text string
---@return boolean
function Regexp:match(text) end

--- All matches, each with its groups.
---@param text string
---@return string[][]
function Regexp:find_all_string_submatch(text) end

--- Compiles a pattern for repeated use.
---@param pattern string
---@return regexp.Regexp?
---@return string? error
function regexp.compile(pattern) end

--- Whether the pattern matches anywhere in the text.
---@param pattern string
---@param text string
---@return boolean?
---@return string? error
function regexp.match(pattern, text) end

--- All matches, each with its groups: `{ { whole, group1, … }, … }`.
---@param pattern string
---@param text string
---@return string[][]?
---@return string? error
function regexp.find_all_string_submatch(pattern, text) end

return regexp
