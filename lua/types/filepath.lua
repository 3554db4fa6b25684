---@meta filepath

--- File paths.
---@class filepath
local filepath = {}

--- The absolute path.
---@param path string
---@return string
---@return string? error
function filepath.abs(path) end

--- The last element.
---@param path string
---@return string
function filepath.basename(path) end

--- The shortest equivalent path.
---@param path string
---@return string
function filepath.clean(path) end

--- All but the last element.
---@param path string
---@return string
function filepath.dir(path) end

--- The extension, with its dot.
---@param path string
---@return string
function filepath.ext(path) end

--- Returns the path unchanged.
---@param path string
---@return string
function filepath.from_slash(path) end

--- Returns the path unchanged.
---@param path string
---@return string
function filepath.to_slash(path) end

--- Empty.
---@param path string
---@return string
function filepath.volume_name(path) end

--- Whether the path is absolute.
---@param path string
---@return boolean
function filepath.is_abs(path) end

--- Joins elements with slashes.
---@param ... any
---@return string
function filepath.join(...) end

--- Whether a name matches a pattern.
---@param pattern string
---@param name string
---@return boolean
---@return string? error
function filepath.match(pattern, name) end

--- The relative path from `base` to `target`.
---@param base string
---@param target string
---@return string
---@return string? error
function filepath.rel(base, target) end

--- /
---@return string
function filepath.separator() end

--- :
---@return string
function filepath.list_separator() end

--- Splits into folder and file.
---@param path string
---@return string folder
---@return string file
function filepath.split(path) end

--- Splits at colons.
---@param list string
---@return string[]
function filepath.split_list(list) end

--- Resolves symbolic links.
---@param path string
---@return string
---@return string? error
function filepath.eval_symlinks(path) end

--- The paths that match.
---@param pattern string
---@return string[]?
---@return string? error
function filepath.glob(pattern) end

return filepath
