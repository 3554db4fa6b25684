---@meta shellescape

--- Words for a shell.
---@class shellescape
local shellescape = {}

--- Quoted if need be.
---@param word string
---@return string
function shellescape.quote(word) end

--- A whole command.
---@param words string[]
---@return string
function shellescape.quote_command(words) end

--- Without characters that do not print.
---@param text string
---@return string
function shellescape.strip_unsafe(text) end

return shellescape
