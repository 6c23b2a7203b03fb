"""What bench/compare is made of: systems that are measured, rows of the table, long runs, pictures, and the document."""
